macro_rules! say {
    ($text:expr) => {
        println!("{}", $text);
    };
}

macro_rules! ask {
    () => {
        read_line()
    };
}

fn main() {}
