//! The settings of a task of pairs.

use postil_core::items::PairColumns;
use postil_core::{Error, Preference, Result, TaskKind};

use super::ProjectFile;

/// Where the parts of a pair stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// The columns of the two texts.
    pub texts: PairColumns,
    /// The columns of the names of those who wrote them.
    pub names: Option<PairColumns>,
}

/// The labels of a task of pairs that names none.
pub(super) fn sides(file: &ProjectFile) -> &'static [String] {
    static USUAL: std::sync::LazyLock<[String; 2]> =
        std::sync::LazyLock::new(|| ["left".to_owned(), "right".to_owned()]);
    if file.task.kind == TaskKind::Pairs && file.task.labels.is_empty() { &*USUAL } else { &[] }
}

/// The column of the text (empty if a pair is about nothing more) and those of the pair.
pub(super) fn columns(file: &ProjectFile) -> Result<(String, Option<Pairs>)> {
    let data = &file.data;
    if file.task.kind != TaskKind::Pairs {
        let settings = [("left", &data.left), ("right", &data.right), ("left_name", &data.left_name)];
        let settings = settings.into_iter().chain([("right_name", &data.right_name)]);
        if let Some((name, _)) = settings.into_iter().find(|(_, value)| value.is_some()) {
            return Err(Error::task(format!(
                "`data.{name}` is for `pairs` tasks, and this is a `{}` task",
                file.task.kind
            )));
        }
        let text = match (&data.text, data.join.is_empty()) {
            (Some(text), true) => text.clone(),
            (None, false) => String::new(),
            (Some(_), false) => return Err(Error::task("expected `data.text` or `data.join`, found both")),
            (None, true) => {
                return Err(Error::task("expected `data.text`, the column of the text, found none")
                    .hint("where several columns are the text, name them in `data.join`"));
            }
        };
        return Ok((text, None));
    }
    if !data.join.is_empty() {
        return Err(Error::task("`data.join` is not for `pairs` tasks"));
    }
    let names: Vec<&str> = file.task.labels.iter().map(String::as_str).collect();
    let all = Preference::ALL.map(Preference::name);
    if !names.is_empty() && names != all && names != all[..2] {
        return Err(Error::task(format!(
            "expected the labels `left`, `right` and, if neither may be better, `tie`, found `{}`",
            names.join("`, `")
        ))
        .hint("leave `task.labels` out for `left` and `right`"));
    }
    let texts = PairColumns {
        left: data.left.clone().unwrap_or_else(|| "left".to_owned()),
        right: data.right.clone().unwrap_or_else(|| "right".to_owned()),
    };
    let names = match (&data.left_name, &data.right_name) {
        (Some(left), Some(right)) => Some(PairColumns { left: left.clone(), right: right.clone() }),
        (None, None) => None,
        _ => {
            return Err(Error::task("expected `data.left_name` and `data.right_name` together, found only one")
                .hint("they name the columns of those who wrote the two texts"));
        }
    };
    Ok((data.text.clone().unwrap_or_default(), Some(Pairs { texts, names })))
}
