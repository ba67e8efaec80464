//! Memory planning: every slot gets a place in one of a few large buffers.
//!
//! Two slots may share memory when they are not alive at the same time. Two slots
//! must lie in different buffers when one dispatch reads the one and writes the
//! other: a device tracks usage per buffer, and a buffer is either read or written.
//! Slots are placed largest first, each where it enlarges the memory least.

use std::collections::HashSet;

/// A piece of memory that a program needs.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// Bytes; 0 if nothing uses it.
    pub bytes: u64,
    /// First and last dispatch that touch it.
    pub alive: (usize, usize),
}

/// Where a slot lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub buffer: usize,
    pub offset: u64,
}

/// Memory of a compiled program, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct MemoryReport {
    /// What the program allocated for values that are not state.
    pub planned: u64,
    /// Sum of the tensors alive at the worst moment: no plan can need less.
    pub worst_moment: u64,
    /// What they would take without sharing.
    pub unshared: u64,
}

pub(crate) struct Plan {
    /// One for each slot.
    pub places: Vec<Place>,
    /// Bytes of each buffer.
    pub buffers: Vec<u64>,
    pub report: MemoryReport,
}

/// Places `slots`. `conflicts` are pairs that must lie in different buffers.
/// Offsets are multiples of `alignment`; buffers hold at most `max_buffer` bytes.
pub(crate) fn plan(
    slots: &[Slot],
    conflicts: &HashSet<(usize, usize)>,
    alignment: u64,
    max_buffer: u64,
) -> Plan {
    let mut enemies: Vec<Vec<usize>> = vec![vec![]; slots.len()];
    for &(a, b) in conflicts {
        enemies[a].push(b);
        enemies[b].push(a);
    }
    let mut order: Vec<usize> = (0..slots.len()).filter(|&s| slots[s].bytes > 0).collect();
    order.sort_by_key(|&s| (std::cmp::Reverse(slots[s].bytes), s));

    let mut places: Vec<Option<Place>> = vec![None; slots.len()];
    let mut buffers: Vec<u64> = vec![];
    let mut residents: Vec<Vec<usize>> = vec![];
    for s in order {
        let (bytes, alive) = (slots[s].bytes, slots[s].alive);
        let forbidden: HashSet<usize> = (enemies[s].iter())
            .filter_map(|&e| places[e].map(|p| p.buffer))
            .collect();
        let mut best: Option<(u64, Place)> = None;
        for buffer in (0..buffers.len()).filter(|b| !forbidden.contains(b)) {
            // Occupied intervals among those alive together, by offset.
            let mut taken: Vec<(u64, u64)> = (residents[buffer].iter())
                .filter(|&&r| slots[r].alive.0 <= alive.1 && alive.0 <= slots[r].alive.1)
                .filter_map(|&r| places[r].map(|p| (p.offset, p.offset + slots[r].bytes)))
                .collect();
            taken.sort_unstable();
            let mut offset = 0u64;
            for (from, to) in taken {
                if offset + bytes <= from {
                    break;
                }
                offset = offset.max(to.next_multiple_of(alignment));
            }
            let growth = (offset + bytes).saturating_sub(buffers[buffer]);
            if offset + bytes <= max_buffer && best.is_none_or(|(g, _)| growth < g) {
                best = Some((growth, Place { buffer, offset }));
            }
        }
        // A new buffer is taken only when no other will do: few large buffers.
        let place = match best {
            Some((_, place)) => place,
            None => {
                buffers.push(0);
                residents.push(vec![]);
                Place {
                    buffer: buffers.len() - 1,
                    offset: 0,
                }
            }
        };
        buffers[place.buffer] = buffers[place.buffer].max(place.offset + bytes);
        residents[place.buffer].push(s);
        places[s] = Some(place);
    }

    let moments = slots.iter().map(|s| s.alive.1 + 1).max().unwrap_or(0);
    let mut change = vec![0i64; moments + 1];
    for slot in slots {
        change[slot.alive.0] += slot.bytes as i64;
        change[slot.alive.1 + 1] -= slot.bytes as i64;
    }
    let mut now = 0;
    let mut worst = 0;
    for c in change {
        now += c;
        worst = worst.max(now);
    }
    Plan {
        report: MemoryReport {
            planned: buffers.iter().sum(),
            worst_moment: worst as u64,
            unshared: slots.iter().map(|s| s.bytes).sum(),
        },
        places: places
            .into_iter()
            .map(|p| {
                p.unwrap_or(Place {
                    buffer: 0,
                    offset: 0,
                })
            })
            .collect(),
        buffers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No two slots that are alive together overlap, and no conflict shares a buffer.
        #[test]
        fn places_are_sound(
            sizes in prop::collection::vec((1u64..5000, 0usize..40, 0usize..10), 1..60),
            pairs in prop::collection::vec((0usize..60, 0usize..60), 0..40),
        ) {
            let slots: Vec<Slot> = sizes.iter()
                .map(|&(bytes, from, length)| Slot { bytes: bytes * 4, alive: (from, from + length) })
                .collect();
            let conflicts: HashSet<_> = pairs.into_iter()
                .filter(|&(a, b)| a != b && a < slots.len() && b < slots.len())
                .collect();
            let plan = plan(&slots, &conflicts, 256, 64 << 20);
            for (a, sa) in slots.iter().enumerate() {
                prop_assert_eq!(plan.places[a].offset % 256, 0);
                prop_assert!(plan.places[a].offset + sa.bytes <= plan.buffers[plan.places[a].buffer]);
                for (b, sb) in slots.iter().enumerate().skip(a + 1) {
                    let together = sa.alive.0 <= sb.alive.1 && sb.alive.0 <= sa.alive.1;
                    let (pa, pb) = (plan.places[a], plan.places[b]);
                    let overlap = pa.buffer == pb.buffer
                        && pa.offset < pb.offset + sb.bytes
                        && pb.offset < pa.offset + sa.bytes;
                    prop_assert!(!(together && overlap), "{a} and {b} overlap");
                }
            }
            for (a, b) in conflicts {
                prop_assert_ne!(plan.places[a].buffer, plan.places[b].buffer);
            }
            prop_assert!(plan.report.planned >= plan.report.worst_moment);
        }
    }
}
