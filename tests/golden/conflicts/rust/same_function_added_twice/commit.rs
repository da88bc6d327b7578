use std::fs;
use std::path::Path;

pub struct Cache {
    entries: Vec<Entry>,
}

impl Cache {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
