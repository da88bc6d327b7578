use std::fs;
use std::path::Path;

pub struct Cache {
    entries: Vec<Entry>,
}

impl Cache {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn newest(&self) -> Option<&Entry> {
        self.entries.last()
    }
}
