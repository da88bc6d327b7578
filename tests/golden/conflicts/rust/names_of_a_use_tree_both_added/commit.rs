use std::collections::{BTreeMap, HashSet, VecDeque};

pub fn load() {}
