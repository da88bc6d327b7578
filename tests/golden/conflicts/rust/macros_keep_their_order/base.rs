macro_rules! say {
    ($text:expr) => {
        println!("{}", $text);
    };
}

fn main() {}
