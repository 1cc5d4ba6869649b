//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    keep_memory();
    reprieve::cli::main()
}

/// glibc gives what is free at the end of a heap back to the system from 128
/// KiB on, and asks for it again with the next message. Once a block larger
/// than its threshold has been freed it keeps twice as much (mallopt(3),
/// `M_MMAP_THRESHOLD`).
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
}
