use std::fs;
use std::path::Path;

pub struct Cache {
    entries: Vec<Entry>,
}

impl Cache {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
