use shelf::{Drawer, Step};
use zoo::{Ant, Bee};

fn shop() {}
