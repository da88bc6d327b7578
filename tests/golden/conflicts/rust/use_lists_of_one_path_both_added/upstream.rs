use shelf::{Board, Row};
use zoo::{Ant, Bee};

fn shop() {}
