//! Beginnings of token sequences as one flat table of numbers.
//!
//! A trie whose edges live in a hash table keyed by the whole path: the number of a path is made from that of the path
//! without its last token and that token's number, so a step down is one lookup and no node has a list of children. A
//! slot takes eight bytes: half of the path's number, whether the path goes on, and the first of the surfaces that end
//! there. Two paths with the same half number may share a slot. That is harmless, because whoever walks the table
//! compares what was found with the surface itself; a shared slot costs a comparison and never an answer.

use super::fold::mix;

/// The path to a node, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path(u64);

impl Path {
    /// The path of one token.
    #[inline]
    pub(super) const fn first(key: u64) -> Self {
        Self(key)
    }

    /// The path one token longer.
    #[inline]
    pub(super) const fn then(self, key: u64) -> Self {
        Self(mix(self.0.rotate_left(23) ^ key))
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    const fn tag(self) -> u64 {
        self.0 >> 32
    }

    #[inline]
    const fn home(self, slots: usize) -> usize {
        (((self.0 & 0xFFFF_FFFF) * slots as u64) >> 32) as usize
    }
}

/// What the table knows of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(u32);

impl Node {
    const GOES_ON: u32 = 1 << 31;
    const SURFACE: u32 = Self::GOES_ON - 1;

    /// Whether a longer path begins with this one.
    #[inline]
    pub(super) const fn goes_on(self) -> bool {
        self.0 & Self::GOES_ON != 0
    }

    /// The first surface that ends here.
    #[inline]
    pub(super) const fn surface(self) -> Option<u32> {
        (self.0 & Self::SURFACE).checked_sub(1)
    }
}

/// The most surfaces that a table can tell apart.
pub(super) const MOST_SURFACES: usize = (Node::SURFACE - 1) as usize;

/// Sets of numbers that may say yes wrongly, one time in twenty, and never no. Each number has two bits of one word; the
/// sets lie behind each other in one piece of memory, so that choosing between them is no branch.
#[derive(Debug, Default)]
struct Sieves {
    words: Vec<u64>,
    /// Where each set begins and how many words it has.
    sets: [(u32, u32); 3],
}

/// First tokens of paths where the text has a capital.
const FIRST: usize = 0;
/// Those where it has a small letter: in a list of names far fewer, so that most tokens of a text are looked up in a set
/// that stays in the nearest cache.
const FIRST_SMALL: usize = 1;
/// Paths of two and more tokens.
const LONGER: usize = 2;

impl Sieves {
    fn for_numbers(counts: [usize; 3]) -> Self {
        let mut sets = [(0, 0); 3];
        let mut start = 0;
        for (set, count) in sets.iter_mut().zip(counts) {
            let words = count as u32 / 8 + 1;
            *set = (start, words);
            start += words;
        }
        Self { words: vec![0; start as usize], sets }
    }

    #[inline]
    fn place(&self, set: usize, number: u64) -> usize {
        let (start, words) = self.sets[set];
        start as usize + (((number >> 32) * u64::from(words)) >> 32) as usize
    }

    /// The lowest bit of a number says nothing.
    #[inline]
    const fn bits(number: u64) -> u64 {
        1 << (number >> 1 & 63) | 1 << (number >> 7 & 63)
    }

    #[inline]
    fn may_have(&self, set: usize, number: u64) -> bool {
        let bits = Self::bits(number);
        self.words[self.place(set, number)] & bits == bits
    }

    fn put(&mut self, set: usize, number: u64) {
        let place = self.place(set, number);
        self.words[place] |= Self::bits(number);
    }
}

/// The table.
///
/// Most tokens of a text begin no path, and most pairs of tokens are none. Sieves that stay in the processor's caches turn
/// them away before a slot is read.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<u64>,
    sieves: Sieves,
}

impl Table {
    /// A table for the paths with these numbers; sorts them and drops the repeated ones. `first` and `first_small` are
    /// how many tokens begin a path, and how many at most do so in small letters.
    pub(super) fn for_paths(numbers: &mut Vec<u64>, first: usize, first_small: usize) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        let slots = numbers.len() + numbers.len() / 3 + 2;
        let longer = numbers.len().saturating_sub(first);
        Self { slots: vec![0; slots], sieves: Sieves::for_numbers([first, first_small, longer]) }
    }

    /// Whether a path may begin with this token; false means that none does. `small`: the token begins with a small
    /// letter.
    #[inline]
    pub(super) fn may_begin(&self, key: u64, small: bool) -> bool {
        self.sieves.may_have(usize::from(small), key)
    }

    /// Notes that a path begins with this token; `small`: even where it has a small letter in the text.
    pub(super) fn begin(&mut self, key: u64, small: bool) {
        self.sieves.put(FIRST, key);
        if small {
            self.sieves.put(FIRST_SMALL, key);
        }
    }

    /// Whether there may be such a path of two or more tokens; false means that there is none.
    #[inline]
    pub(super) fn may_go_on(&self, path: Path) -> bool {
        self.sieves.may_have(LONGER, path.0)
    }

    /// Notes a path of two or more tokens.
    pub(super) fn note_longer(&mut self, path: Path) {
        self.sieves.put(LONGER, path.0);
    }

    /// What is in the slot where a path belongs.
    #[inline]
    pub(super) fn home(&self, path: Path) -> u64 {
        self.slots[path.home(self.slots.len())]
    }

    /// The node of a path, given what is in the slot where it belongs.
    #[inline]
    pub(super) fn node(&self, path: Path, home: u64) -> Option<Node> {
        let mut slot = home;
        let mut place = path.home(self.slots.len());
        loop {
            if slot == 0 {
                return None;
            }
            if slot >> 32 == path.tag() {
                return Some(Node(slot as u32));
            }
            place = if place + 1 == self.slots.len() { 0 } else { place + 1 };
            slot = self.slots[place];
        }
    }

    /// The node of a path.
    pub(super) fn get(&self, path: Path) -> Option<Node> {
        self.node(path, self.home(path))
    }

    /// The slot of a path, the empty one where it belongs if it has none.
    fn place(&self, path: Path) -> usize {
        let mut place = path.home(self.slots.len());
        while self.slots[place] != 0 && self.slots[place] >> 32 != path.tag() {
            place = if place + 1 == self.slots.len() { 0 } else { place + 1 };
        }
        place
    }

    /// Notes that longer paths begin with this one.
    pub(super) fn go_on(&mut self, path: Path) {
        let place = self.place(path);
        self.slots[place] |= path.tag() << 32 | u64::from(Node::GOES_ON);
    }

    /// Puts a surface at the end of a path; the one that stood there, which the caller must keep behind it.
    pub(super) fn end(&mut self, path: Path, surface: u32) -> Option<u32> {
        let place = self.place(path);
        let node = Node(self.slots[place] as u32);
        let goes_on = node.0 & Node::GOES_ON;
        self.slots[place] = path.tag() << 32 | u64::from(goes_on | (surface + 1));
        node.surface()
    }

    /// The memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        (self.slots.capacity() + self.sieves.words.capacity()) * size_of::<u64>()
    }
}
