macro_rules! say {
    ($text:expr) => {
        println!("{}", $text);
    };
}

macro_rules! shout {
    ($text:expr) => {
        say!($text.to_uppercase());
    };
}

fn main() {}
