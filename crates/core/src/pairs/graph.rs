//! Who can be compared with whom.

use serde::Serialize;

use super::{Comparisons, Outcome};

/// How the contestants hang together by their comparisons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// Groups without any comparison between them. Strengths of different groups cannot be compared; contestants never
    /// compared at all do not count.
    pub groups: usize,
    /// By contestant, the number of its group, from 0 for the group of the first contestant; `None` if never compared.
    pub group: Vec<Option<u32>>,
    /// Groups within which everyone can be reached from everyone by wins (a tie is half a win for each). With more than
    /// one, some strengths are infinite unless something is added.
    pub strong_groups: usize,
    /// Contestants never compared.
    pub absent: usize,
}

impl Connection {
    pub(super) fn of(comparisons: &Comparisons) -> Self {
        let size = comparisons.contestants();
        let mut beats = vec![Vec::new(); size];
        let mut beaten = vec![Vec::new(); size];
        for row in comparisons.rows() {
            let (left, right) = (row.left as usize, row.right as usize);
            if row.outcome != Outcome::Right {
                beats[left].push(right);
                beaten[right].push(left);
            }
            if row.outcome != Outcome::Left {
                beats[right].push(left);
                beaten[left].push(right);
            }
        }
        for list in beats.iter_mut().chain(&mut beaten) {
            list.sort_unstable();
            list.dedup();
        }
        let compared: Vec<bool> =
            beats.iter().zip(&beaten).map(|(one, other)| !one.is_empty() || !other.is_empty()).collect();
        let mut group = vec![None; size];
        let mut groups = 0;
        for start in (0..size).filter(|&start| compared[start]) {
            if group[start].is_some() {
                continue;
            }
            let mut open = vec![start];
            group[start] = Some(groups);
            while let Some(at) = open.pop() {
                for &next in beats[at].iter().chain(&beaten[at]) {
                    if group[next].is_none() {
                        group[next] = Some(groups);
                        open.push(next);
                    }
                }
            }
            groups += 1;
        }
        Self {
            groups: groups as usize,
            group,
            strong_groups: strong_groups(&beats, &beaten, &compared),
            absent: compared.iter().filter(|compared| !**compared).count(),
        }
    }
}

/// The number of strongly connected groups (Kosaraju and Sharir), without recursion.
fn strong_groups(beats: &[Vec<usize>], beaten: &[Vec<usize>], compared: &[bool]) -> usize {
    let mut seen = vec![false; beats.len()];
    let mut finished = Vec::new();
    for start in (0..beats.len()).filter(|&start| compared[start]) {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            if let Some(&to) = beats[*at].get(*next) {
                *next += 1;
                if !seen[to] {
                    seen[to] = true;
                    path.push((to, 0));
                }
            } else {
                finished.push(*at);
                path.pop();
            }
        }
    }
    let mut groups = 0;
    for &start in finished.iter().rev() {
        if !seen[start] {
            continue;
        }
        groups += 1;
        seen[start] = false;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for &next in &beaten[at] {
                if seen[next] {
                    seen[next] = false;
                    open.push(next);
                }
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_with_and_without_direction() {
        let mut comparisons = Comparisons::new(7, 1);
        // A circle of three, who beat one more; two apart; one alone.
        for (left, right) in [(0, 1), (1, 2), (2, 0), (2, 3), (4, 5)] {
            comparisons.push(left, right, 0, Outcome::Left).unwrap();
        }
        let connection = Connection::of(&comparisons);
        assert_eq!((connection.groups, connection.strong_groups, connection.absent), (2, 4, 1));
        assert_eq!(connection.group[4], Some(1));
        comparisons.push(4, 5, 0, Outcome::Tie).unwrap();
        comparisons.push(3, 0, 0, Outcome::Right).unwrap();
        assert_eq!(Connection::of(&comparisons).strong_groups, 3);
        comparisons.push(0, 3, 0, Outcome::Right).unwrap();
        assert_eq!(Connection::of(&comparisons).strong_groups, 2);
    }
}
