//! Which of several shader permutations runs where more than one computes the same:
//! by estimate, or as it was measured on this device once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Gpu;

/// For each class of shapes the key of the permutation to run. What is not there is
/// chosen by estimate.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Choices(BTreeMap<String, String>);

impl Choices {
    /// The key chosen for a class.
    pub fn get(&self, class: &str) -> Option<&str> {
        self.0.get(class).map(String::as_str)
    }

    /// Chooses for a class.
    pub fn insert(&mut self, class: impl Into<String>, key: impl Into<String>) {
        self.0.insert(class.into(), key.into());
    }

    /// (class, key) of every choice, by class.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + '_ {
        self.0.iter().map(|(c, k)| (c.as_str(), k.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is done with choices that were added on a device.
pub type Keep = Arc<dyn Fn(&Gpu, &Choices) + Send + Sync>;

/// What is held while a device is measured: its turn among those who want to.
pub type Turn = Arc<dyn Fn(&Gpu) -> Option<Box<dyn std::any::Any>> + Send + Sync>;

/// Permission to measure, while programs are compiled, what has not been chosen yet.
#[derive(Clone)]
pub struct Tuning {
    /// Time that measuring may take in all, compiling the candidates included.
    pub budget: Duration,
    /// Is told what is being done.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
    /// Is asked before anything is measured, and may wait and add to the device's choices;
    /// what it gives is dropped when measuring ends. None: nobody else measures.
    pub turn: Option<Turn>,
    /// Is given all choices after some were added.
    pub keep: Keep,
}

impl std::fmt::Debug for Tuning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tuning({:?} left)", self.budget)
    }
}
