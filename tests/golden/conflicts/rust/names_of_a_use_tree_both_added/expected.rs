use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

pub fn load() {}
