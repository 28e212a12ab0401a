//! Cases as data, and agreement with an obvious search.

use std::path::Path;

use postil_core::text::{Token, Tokenizer};
use proptest::prelude::*;

use super::*;
use crate::list::Case;

/// Lists as (label, names, switches).
fn matcher(lists: &[(&str, &[&str], Switches)]) -> EntityMatcher {
    let lists: Vec<(EntityList, Policy)> = lists
        .iter()
        .map(|(label, names, switches)| {
            let list = EntityList::of(*label, label.to_lowercase(), names.iter().copied());
            (list, Policy::new(switches, Path::new("")).unwrap())
        })
        .collect();
    let borrowed: Vec<(&EntityList, Policy)> = lists.iter().map(|(list, policy)| (list, policy.clone())).collect();
    EntityMatcher::new(&borrowed).unwrap()
}

/// `text/LABEL` of every match.
fn found(lists: &[(&str, &[&str], Switches)], text: &str) -> Vec<String> {
    let show = |(bytes, labels, _): (std::ops::Range<usize>, Vec<postil_core::Name>, Vec<Source>)| {
        format!("{}/{}", &text[bytes], labels.iter().map(|label| &**label).collect::<Vec<_>>().join("|"))
    };
    matcher(lists).find(text).into_iter().map(show).collect()
}

fn with(change: impl FnOnce(&mut Switches)) -> Switches {
    let mut switches = Switches::default();
    change(&mut switches);
    switches
}

#[test]
fn switches_do_what_they_say() {
    let cases: Vec<(Switches, &[&str], &str, &[&str])> = vec![
        (Switches::default(), &["Cat", "Oslo"], "concatenate Cat's Oslo, OSLO oslo", &["Cat/X", "Oslo/X", "OSLO/X"]),
        (
            Switches::default(),
            &["New York", "New York Times", "York"],
            "New York Times in New  York\nfor York",
            &["New York Times/X", "New  York/X", "York/X"],
        ),
        (
            Switches::default(),
            &["AT&T", "Acme Inc", "U.S."],
            "AT&T and Acme Inc. in the U.S.",
            &["AT&T/X", "Acme Inc./X", "U.S./X"],
        ),
        (Switches::default(), &["US"], "us Us US. Give it to U.S. now", &["US/X", "U.S./X"]),
        (Switches::default(), &["Parkinson's disease"], "Parkinson ' s disease", &["Parkinson ' s disease/X"]),
        (Switches::default(), &["US", "OSLO"], "GIVE US MORE OSLO, HE SAID", &["OSLO/X"]),
        (Switches::default(), &["Bank of Oslo"], "THE BANK OF OSLO FELL; bank of Oslo", &["BANK OF OSLO/X"]),
        (with(|s| s.case = Some(Case::Exact)), &["Oslo"], "HEAVY SNOW IN OSLO TODAY. Then OSLO, he said", &["OSLO/X"]),
        (with(|s| (s.case, s.all_caps) = (Some(Case::Exact), Some(false))), &["Oslo"], "SNOW IN OSLO TODAY", &[]),
        (with(|s| s.case = Some(Case::Ignore)), &["Oslo"], "oslo OSLO", &["oslo/X", "OSLO/X"]),
        (Switches::default(), &["São Paulo"], "Sao Paulo", &[]),
        (
            with(|s| s.accents = Some(Accents::Fold)),
            &["São Paulo"],
            "Sao Paulo SÃO PAULO",
            &["Sao Paulo/X", "SÃO PAULO/X"],
        ),
        (Switches::default(), &["Port-Louis"], "Port Louis", &[]),
        (
            with(|s| s.hyphens = Some(Hyphens::Space)),
            &["Port-Louis"],
            "Port Louis, Port-Louis - Port – Louis",
            &["Port Louis/X", "Port-Louis/X", "Port – Louis/X"],
        ),
        (with(|s| s.plural = Some(Plural::English)), &["Nobel prize"], "two Nobel prizes", &["Nobel prizes/X"]),
        (with(|s| s.min_chars = Some(4)), &["Ely", "Bath"], "Ely Bath", &["Bath/X"]),
        (with(|s| s.min_tokens = Some(2)), &["Bath", "Bath Spa"], "Bath, Bath Spa", &["Bath Spa/X"]),
        (with(|s| s.stop = Some("en".into())), &["Of", "Bath"], "Of Bath", &["Bath/X"]),
        (with(|s| s.skip = vec!["BATH".into()]), &["Bath", "Ely"], "Bath Ely", &["Ely/X"]),
        (with(|s| s.skip_suffixes = vec![" river".into()]), &["Amu River", "Amu"], "Amu River", &["Amu/X"]),
        (
            with(|s| s.strip_suffixes = vec![" inc".into()]),
            &["Acme Inc"],
            "Acme and Acme Inc",
            &["Acme/X", "Acme Inc/X"],
        ),
        (with(|s| s.strip_prefixes = vec!["the ".into()]), &["The Hague"], "to Hague", &["Hague/X"]),
        (
            with(|s| s.parts = Some(Parts::Last)),
            &["Ada Lovelace"],
            "Ada; Lovelace; Ada Lovelace",
            &["Lovelace/X", "Ada Lovelace/X"],
        ),
        (Switches::default(), &["New York"], "New\n\nYork New\nYork", &["New\nYork/X"]),
        (Switches::default(), &["東京"], "私は東京都に", &["東京/X"]),
        (
            Switches::default(),
            &["McDonald's", "O'Neill"],
            "McDonald’s, O’Neill's McDonald 's",
            &["McDonald’s/X", "O’Neill/X", "McDonald 's/X"],
        ),
        (Switches::default(), &["aspirin"], "Aspirin ASPIRIN aspirins", &["Aspirin/X", "ASPIRIN/X"]),
        (
            with(|s| s.fuzzy = Some(85)),
            &["Zimmermann", "Elisabeth Hauptmann", "Boeing 7478", "Other"],
            "Zimmerman Elizabeth Hauptman, zimmermann Boeing 7479 Others Elisabeth Haupt",
            &["Zimmerman/X", "Elizabeth Hauptman/X"],
        ),
        (
            with(|s| (s.fuzzy, s.case) = (Some(80), Some(Case::Ignore))),
            &["Trondheim", "Trondhem"],
            "to trondhiem, Trondheim, trondhem",
            &["trondhiem/X", "Trondheim/X", "trondhem/X"],
        ),
        (Switches::default(), &["", "  ", "...", "!"], "... !", &[]),
    ];
    for (switches, names, text, expected) in cases {
        assert_eq!(found(&[("X", names, switches.clone())], text), expected, "{names:?} in {text:?} with {switches:?}");
    }
}

#[test]
fn names_can_be_restricted_by_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("only.txt"), "oslo\nBergen\nEly\n").unwrap();
    std::fs::write(folder.path().join("except.csv"), "name,why\nBERGEN,a person\n").unwrap();
    let list = EntityList::of("X", "x", ["Oslo", "Bergen", "Bath"]);
    let switches = with(|switches| {
        (switches.only_names, switches.except_names) = (Some("only.txt".into()), Some("except.csv".into()));
    });
    let matcher = EntityMatcher::new(&[(&list, Policy::new(&switches, folder.path()).unwrap())]).unwrap();
    assert_eq!(matcher.find("Oslo Bergen Bath").len(), 1);
    let (_, report) = matcher.lists().next().unwrap();
    let out = |reason: LeftOut| report.left_out[reason as usize].1.clone();
    assert_eq!((out(LeftOut::NotAmong), out(LeftOut::Skipped)), (vec!["Bath".to_owned()], vec!["Bergen".to_owned()]));
    let missing = with(|switches| switches.except_names = Some("none.txt".into()));
    assert!(Policy::new(&missing, folder.path()).unwrap_err().to_string().contains("none.txt"));
    assert!(Policy::new(&with(|switches| switches.fuzzy = Some(20)), folder.path()).is_err());
}

type Lists<'l> = Vec<(&'l str, &'l [&'l str], Switches)>;

#[test]
fn overlaps_go_to_the_longest_then_the_highest_priority_then_the_first() {
    let plain = || with(|switches| switches.min_chars = Some(1));
    let high = || with(|switches| (switches.priority, switches.min_chars) = (Some(5), Some(1)));
    let cases: Vec<(Lists<'_>, &str, &[&str])> = vec![
        (vec![("A", &["a b"], plain()), ("B", &["b c d"], plain())], "a b c d", &["b c d/B"]),
        (vec![("A", &["a b", "a"], plain()), ("B", &["b c d"], plain())], "a b c d", &["a/A", "b c d/B"]),
        (vec![("A", &["a b"], plain()), ("B", &["b c"], plain())], "a b c", &["a b/A"]),
        (vec![("A", &["a b"], plain()), ("B", &["b c"], high())], "a b c", &["b c/B"]),
        (vec![("A", &["Oslo"], plain()), ("B", &["Oslo"], plain())], "Oslo", &["Oslo/A|B"]),
        (vec![("A", &["Oslo"], plain()), ("B", &["Oslo"], high())], "Oslo", &["Oslo/B"]),
        (
            vec![("A", &["Sao"], plain()), ("B", &["São"], with(|s| s.accents = Some(Accents::Fold)))],
            "Sao",
            &["Sao/A|B"],
        ),
    ];
    for (lists, text, expected) in cases {
        assert_eq!(found(&lists, text), expected, "{text}");
    }
}

#[test]
fn matches_keep_to_given_tokens_and_sentences() {
    let matcher = matcher(&[("X", &["Oslo", "New York", "Lloyd's"], Switches::default())]);
    let text = "Oslo-based Oslo's New\nYork in New York Lloyd 's";
    let tokens = Tokenizer::Whitespace.tokenize(text);
    let mut found = Vec::new();
    let given = Given { tokens: &tokens, sentences: &[3, 9] };
    matcher.visit(text, Some(given), &mut Scratch::default(), |one| {
        found.push((text[one.bytes.clone()].to_owned(), one.tokens.clone()));
    });
    let expected = [("Oslo's", 1..2), ("New York", 5..7), ("Lloyd 's", 7..9)];
    assert_eq!(found, expected.map(|(text, tokens)| (text.to_owned(), tokens)));
}

#[test]
fn a_match_tells_its_list_and_entry() {
    let mut list = EntityList::new("ORG", "firms.csv");
    let entry = list.push("International Business Machines").unwrap();
    list.push_alias(entry, "IBM");
    let matcher = EntityMatcher::new(&[(&list, Policy::default())]).unwrap();
    let [(_, _, sources)] = &matcher.find("at IBM")[..] else { panic!("one match") };
    assert_eq!(matcher.list_name(sources[0].list), "firms.csv");
    assert_eq!(matcher.entry(sources[0]), ("International Business Machines", Some(("IBM", Origin::Alias))));
}

#[test]
fn what_is_left_out_is_counted() {
    let names = ["Oslo", "Oslo", "oslo", "-", "a", "the", "Bergen"];
    let matcher = matcher(&[("X", &names, with(|switches| switches.stop = Some("en".into())))]);
    let (_, report) = matcher.lists().next().unwrap();
    let count = |reason: LeftOut| report.left_out[reason as usize].0;
    assert_eq!((report.used, report.spellings), (3, 3));
    assert_eq!(count(LeftOut::Repeated), 1);
    assert_eq!(count(LeftOut::OnlyPunctuation), 1);
    assert_eq!(count(LeftOut::FewCharacters), 1);
    assert_eq!(report.left_out[LeftOut::StopWord as usize], (1, vec!["the".to_owned()]));
}

#[test]
fn a_text_of_one_word_and_a_list_of_its_repetitions_take_linear_time() {
    let names: Vec<String> = (1..40).map(|count| vec!["a"; count].join(" ")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = "a ".repeat(50_000);
    let found = matcher(&[("X", &names, with(|switches| switches.min_chars = Some(1)))]).find(&text);
    assert_eq!(found.len(), 50_000_usize.div_ceil(39));
}

/// All tokens of a text, with the apostrophe rule of the matcher left out.
fn tokens(text: &str) -> Vec<Token> {
    Tokenizer::Words.tokenize(text)
}

/// Every run of tokens within a paragraph against every name, longest first, then leftmost.
fn slow(names: &[String], text: &str) -> Vec<std::ops::Range<usize>> {
    let form = |text: &str| -> Vec<String> { tokens(text).iter().map(|token| token.of(text).to_lowercase()).collect() };
    let blank_line = regex::Regex::new(r"\n\s*\n").unwrap();
    let stands = tokens(text);
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for start in 0..stands.len() {
        for end in start + 1..=stands.len() {
            let run = &text[stands[start].start as usize..stands[end - 1].end as usize];
            let there: Vec<String> = stands[start..end].iter().map(|token| token.of(text).to_lowercase()).collect();
            if names.iter().any(|name| form(name) == there) && !blank_line.is_match(run) {
                runs.push((start, end));
            }
        }
    }
    runs.sort_by_key(|&(start, end)| (usize::MAX - (end - start), start));
    let mut taken = vec![false; stands.len()];
    let mut chosen = Vec::new();
    for (start, end) in runs {
        if taken[start..end].iter().all(|&taken| !taken) {
            taken[start..end].fill(true);
            chosen.push((start, end));
        }
    }
    chosen.sort_unstable();
    chosen.iter().map(|&(start, end)| stands[start].start as usize..stands[end - 1].end as usize).collect()
}

proptest! {
    #[test]
    fn the_trie_agrees_with_the_obvious_search(
        names in prop::collection::vec("[abA東é]{1,2}( [ab]{1,2}){0,3}", 1..8),
        text in "([abA東é]{1,2}|[ \n,-]){0,40}",
    ) {
        let names: Vec<String> = names;
        let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
        let switches = with(|switches| (switches.case, switches.min_chars) = (Some(Case::Ignore), Some(1)));
        let found: Vec<_> = matcher(&[("X", &borrowed, switches)]).find(&text).into_iter().map(|one| one.0).collect();
        prop_assert_eq!(found, slow(&names, &text));
    }
}
