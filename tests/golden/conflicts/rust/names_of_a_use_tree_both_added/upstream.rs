use std::collections::{BTreeMap, HashMap, HashSet};

pub fn load() {}
