//! Word classes from text without labels: words with similar neighbours.

use super::buckets::{Map, write_map};
use super::token::Attributes;

/// Word classes as the model keeps them.
#[derive(Debug)]
pub(crate) struct ClusterTable {
    pub(crate) map: Vec<u8>,
    /// For every fine class, the middle and the coarse class that hold it.
    pub(crate) levels: Vec<[u16; 2]>,
    /// How many words have a class.
    pub(crate) words: usize,
}

impl Default for ClusterTable {
    fn default() -> Self {
        Self { map: empty_map(), levels: Vec::new(), words: 0 }
    }
}

/// The bytes of a map without entries.
fn empty_map() -> Vec<u8> {
    write_map(&mut Vec::new()).unwrap_or_default()
}

impl ClusterTable {
    pub(crate) fn view(&self) -> Clusters<'_> {
        let map = Map::read(&self.map, None).map(|read| read.0).unwrap_or_default();
        Clusters { map, levels: &self.levels }
    }
}

/// Word classes that lie in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clusters<'a> {
    pub(crate) map: Map<'a>,
    pub(crate) levels: &'a [[u16; 2]],
}

impl Clusters<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The classes of a token from fine to coarse, plus 1; zeros if it has none.
    pub(crate) fn of(&self, token: &Attributes) -> [u16; 3] {
        let Some(fine) = self.map.get(token.normal) else { return [0; 3] };
        match self.levels.get(usize::from(fine)) {
            Some([middle, coarse]) => [fine + 1, middle + 1, coarse + 1],
            None => [0; 3],
        }
    }
}
