//! Guidelines as a page: the parts of Markdown that guidelines are written in, and no way to anything else.
//!
//! Every character of the source is escaped; the only tags are those written here, without attributes. Links show their
//! words and their address as text.

use std::fmt::Write;

/// The page's HTML.
pub(crate) fn html(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut open: Option<Block> = None;
    let mut fenced = false;
    for line in source.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            close(&mut open, &mut out);
            out.push_str(if fenced { "</code></pre>" } else { "<pre><code>" });
            fenced = !fenced;
            continue;
        }
        if fenced {
            escape(line, &mut out);
            out.push('\n');
            continue;
        }
        let (block, content) = block_of(trimmed);
        if let Block::Heading(level) = block {
            close(&mut open, &mut out);
            let _ = write!(out, "<h{level}>");
            inline(content, &mut out);
            let _ = write!(out, "</h{level}>");
            continue;
        }
        if block == Block::Blank || block == Block::Rule {
            close(&mut open, &mut out);
            out.push_str(if block == Block::Rule { "<hr>" } else { "" });
            continue;
        }
        // A line that goes on with what stands above it.
        let continues = block == Block::Paragraph && open.is_some_and(|open| open != Block::Table);
        if continues {
            out.push(' ');
        } else if open == Some(block) {
            out.push_str(block.between());
        } else {
            close(&mut open, &mut out);
            out.push_str(block.begin());
            open = Some(block);
        }
        if block == Block::Table { row(content, &mut out) } else { inline(content, &mut out) }
    }
    close(&mut open, &mut out);
    if fenced {
        out.push_str("</code></pre>");
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Blank,
    Rule,
    Heading(usize),
    Paragraph,
    Quote,
    Bullets,
    Numbers,
    Table,
}

impl Block {
    const fn begin(self) -> &'static str {
        match self {
            Self::Quote => "<blockquote><p>",
            Self::Bullets => "<ul><li>",
            Self::Numbers => "<ol><li>",
            Self::Table => "<table>",
            _ => "<p>",
        }
    }

    const fn between(self) -> &'static str {
        match self {
            Self::Bullets | Self::Numbers => "</li><li>",
            Self::Table => "",
            _ => " ",
        }
    }

    const fn end(self) -> &'static str {
        match self {
            Self::Quote => "</p></blockquote>",
            Self::Bullets => "</li></ul>",
            Self::Numbers => "</li></ol>",
            Self::Table => "</table>",
            _ => "</p>",
        }
    }
}

fn close(open: &mut Option<Block>, out: &mut String) {
    if let Some(block) = open.take() {
        out.push_str(block.end());
    }
}

fn block_of(line: &str) -> (Block, &str) {
    let hashes = line.bytes().take_while(|&byte| byte == b'#').count();
    if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
        return (Block::Heading(hashes), line[hashes..].trim().trim_end_matches('#').trim_end());
    }
    if line.is_empty() {
        return (Block::Blank, line);
    }
    if line.len() >= 3 && ["-", "*", "_"].iter().any(|sign| line.replace(sign, "").trim().is_empty()) {
        return (Block::Rule, line);
    }
    if let Some(rest) = line.strip_prefix('>') {
        return (Block::Quote, rest.trim_start());
    }
    if let Some(rest) = ["- ", "* ", "+ "].iter().find_map(|sign| line.strip_prefix(sign)) {
        return (Block::Bullets, rest);
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(rest) = line[digits..].strip_prefix(". ").filter(|_| (1..=9).contains(&digits)) {
        return (Block::Numbers, rest);
    }
    if line.starts_with('|') {
        return (Block::Table, line);
    }
    (Block::Paragraph, line)
}

fn row(line: &str, out: &mut String) {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    if cells.iter().all(|cell| !cell.is_empty() && cell.trim_matches([':', '-']).is_empty()) {
        return;
    }
    out.push_str("<tr>");
    for cell in cells {
        out.push_str("<td>");
        inline(cell, out);
        out.push_str("</td>");
    }
    out.push_str("</tr>");
}

/// Code, strong, emphasis, signs behind a backslash; everything else as it stands.
fn inline(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '_', '\\']) {
        let before = rest[..at].chars().next_back();
        escape(&rest[..at], out);
        rest = &rest[at..];
        if rest.starts_with('\\') {
            let sign = rest[1..].chars().next().filter(char::is_ascii_punctuation);
            escape(sign.map_or("\\", |_| &rest[1..2]), out);
            rest = &rest[1 + usize::from(sign.is_some())..];
            continue;
        }
        let marked = [("`", "code"), ("**", "strong"), ("__", "strong"), ("*", "em"), ("_", "em")];
        let found = marked.iter().find_map(|&(sign, tag)| {
            let inner = rest.strip_prefix(sign)?;
            let end = inner.find(sign).filter(|&end| end > 0)?;
            let within_word = sign.starts_with('_') && before.is_some_and(char::is_alphanumeric);
            let tight = tag == "code" || !inner.starts_with(' ') && !inner[..end].ends_with(' ');
            (tight && !within_word).then_some((&inner[..end], tag, end + 2 * sign.len()))
        });
        if let Some((inner, tag, length)) = found {
            let _ = write!(out, "<{tag}>");
            if tag == "code" {
                escape(inner, out);
            } else {
                inline(inner, out);
            }
            let _ = write!(out, "</{tag}>");
            rest = &rest[length..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    escape(rest, out);
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn guidelines_become_a_page() {
        let source = "# Tickets\n\nA *bug* is `x < 1`,\nalways **bad**.\n\n- one\n  more\n- snake_case_name\n\n1. first\n\n> said\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n<b>\n```\n";
        assert_eq!(
            html(source),
            "<h1>Tickets</h1><p>A <em>bug</em> is <code>x &lt; 1</code>, always <strong>bad</strong>.</p>\
             <ul><li>one more</li><li>snake_case_name</li></ul><ol><li>first</li></ol>\
             <blockquote><p>said</p></blockquote><table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>\
             <pre><code>&lt;b&gt;\n</code></pre>"
        );
        assert_eq!(html(r"> \*a\* \<b> c\d \"), r"<blockquote><p>*a* &lt;b&gt; c\d \</p></blockquote>");
        assert!(!html("[x](javascript:alert(1)) <img src=x onerror=alert(1)>").contains("<img"));
    }

    proptest! {
        #[test]
        fn only_known_tags_come_out(source in "[a`*_#>|<&\"'. \\\\\\-\n1]{0,80}") {
            let page = html(&source);
            let known = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "table", "tr", "td",
                "pre", "code", "strong", "em", "hr"];
            for part in page.split('<').skip(1) {
                let tag = part.split('>').next().unwrap_or("").trim_start_matches('/');
                prop_assert!(known.contains(&tag), "{tag} in {page}");
            }
        }
    }
}
