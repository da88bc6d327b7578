use shelf::{Board, Drawer, Row, Step};
use zoo::{Ant, Bee};

fn shop() {}
