//! Common words that are not names by themselves, and the reading of short word files.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use postil_core::{Error, Result};

use crate::words::fold_character;

/// Words that are no names, folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopWords(Arc<BTreeSet<String>>);

impl StopWords {
    /// The built-in words of a language, `en` or `es`, or those of a file.
    ///
    /// # Errors
    /// A file that cannot be read or is not UTF-8.
    pub(crate) fn named(name: &str, folder: &Path) -> Result<Self> {
        let words = match name {
            "en" => ENGLISH.split_whitespace().map(str::to_owned).collect(),
            "es" => SPANISH.split_whitespace().map(str::to_owned).collect(),
            file => {
                let text = read_text(&folder.join(file), Path::new(file))
                    .map_err(|error| error.hint("stop words are `en`, `es` or a file with one word per line"))?;
                text.lines().map(|line| folded(line.trim())).filter(|word| !word.is_empty()).collect()
            }
        };
        Ok(Self(Arc::new(words)))
    }

    /// The words in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    /// Whether a folded name is one of the words.
    pub(crate) fn contains(&self, folded: &str) -> bool {
        self.0.contains(folded)
    }

    /// The common English words, for texts without case.
    pub(crate) fn is_common(folded: &str) -> bool {
        static COMMON: OnceLock<HashSet<&str>> = OnceLock::new();
        COMMON.get_or_init(|| ENGLISH.split_whitespace().collect()).contains(folded)
    }
}

/// A text with letters and apostrophes folded as in matching.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|character| fold_character(character, &mut folded));
    folded
}

/// Reads a text file, plain or compressed, which must be UTF-8.
pub(crate) fn read_text(path: &Path, shown: &Path) -> Result<String> {
    let mut opened = postil_core::table::open_stream(path).map_err(|error| error.in_file(shown))?;
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).map_err(|error| Error::io("cannot be read", error).in_file(shown))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        Error::input("expected UTF-8 text").in_file(shown).at_line(line as u64).hint("save the file as UTF-8")
    })
}

const ENGLISH: &str = "a about above after again against all also am an and another any are around as at away back be \
because been before being below best better between big both but by came can cannot come could day did do does doing \
done down during each early else end even ever every few first for former found four from full further get give go going \
good got great had half has have having he her here hers herself high him himself his home how however i if in into is it \
its itself just keep know large last late later least left less let like little long look low made major make man many \
may me might more most much must my myself near need never new next nine no none nor not nothing now of off often old on \
once one only open or other our ours out over own part past people per place point present private public put quite \
rather real right said same saw say says second see seven several shall she short should show since six small so some \
state still such take ten than that the their theirs them then there therefore these they thing think this those though \
three through time to today together too top toward two under until up upon us use used very via want was way we week \
well went were what when where whether which while who whole whom whose why will with within without work world would \
year years yes yesterday yet you young your yours";

const SPANISH: &str = "a ahora al algo alguien alguna algunas alguno algunos allí ante antes aquel aquella aquellas \
aquellos aquí así aún aunque bajo bien cada casi como con contra cosa cosas cual cuales cuando cuanto cuatro de debe del \
desde después día días donde dos durante e el él ella ellas ellos en entonces entre era eran eres es esa esas ese eso esos \
esta está están estaba estado estar estas este esto estos fin fue fueron gran grande ha había hace hacer hacia han hasta \
hay he hoy la las le les lo los luego más me medio mejor menos mi mientras mis mismo mucha muchas mucho muchos mundo muy \
nada ni no nos nosotros nuestra nuestro nueva nuevas nuevo nuevos nunca o otra otras otro otros para parte pero poco por \
porque primer primera primero pues que qué quien quién se sea según ser si sí siempre sido sin sobre solo sólo son su sus \
también tan tanto te tener tiempo tiene tienen toda todas todavía todo todos trabajo tras tres tu tú tus un una unas uno \
unos usted va vez veces vida y ya yo";
