use zoo::{Ant, Bee};

fn shop() {}
