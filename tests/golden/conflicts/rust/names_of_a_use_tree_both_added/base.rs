use std::collections::{BTreeMap, HashSet};

pub fn load() {}
