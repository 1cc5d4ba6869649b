//! Builds again when a language is added: the translations are embedded by a
//! macro that Cargo cannot look into.

fn main() {
    println!("cargo::rerun-if-changed=web/translations");
    println!("cargo::rerun-if-changed=build.rs");
}
