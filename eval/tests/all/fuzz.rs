//! The fuzz targets on what is in `fuzz/corpus` and on mutations of it that a seed decides:
//! what any stable compiler can run. `fuzz/` has the same targets for cargo-fuzz.

use std::path::Path;

use crate::targets::{TARGETS, Target};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Mutations of each file of the corpus.
const MUTATIONS: u64 = 60;

/// Bytes a mutation may reach.
const MAX_BYTES: usize = 1 << 16;

/// What parsers trip over.
const TOKENS: [&[u8]; 14] = [
    b",",
    b"\"",
    b"\n",
    b"\r\n",
    b"\0",
    b"NaN",
    b"-inf",
    b"1e999",
    b"{",
    b"]",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"\x00\x00\x00\x80",
    b"18446744073709551616",
];

fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

/// One to four changes: a bit, a cut, a token, a piece doubled, a piece of another file.
fn mutated(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=below(rng, 4) {
        let at = below(rng, out.len());
        let end = (at + 1 + below(rng, 32)).min(out.len());
        match below(rng, 6) {
            0 if !out.is_empty() => out[at] ^= 1 << below(rng, 8),
            1 => out.truncate(at),
            2 => {
                let token = TOKENS[below(rng, TOKENS.len())];
                out.splice(at..at, token.iter().copied());
            }
            3 if !out.is_empty() => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            4 if !out.is_empty() => {
                out.drain(at..end);
            }
            _ => {
                let from = below(rng, other.len());
                let piece = &other[from..(from + 1 + below(rng, 64)).min(other.len())];
                out.splice(at..at, piece.iter().copied());
            }
        }
    }
    out.truncate(MAX_BYTES);
    out
}

fn run(name: &str, target: Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let corpus: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    for (at, bytes) in corpus.iter().enumerate() {
        target(bytes);
        for round in 0..MUTATIONS {
            let mut rng = ChaCha8Rng::seed_from_u64((at as u64) << 32 | round);
            let other = &corpus[below(&mut rng, corpus.len())];
            let given = mutated(&mut rng, bytes, other);
            let found = std::panic::catch_unwind(|| target(&given));
            assert!(
                found.is_ok(),
                "`{name}` panics on {} (round {round}): {given:?}",
                files[at].display()
            );
        }
    }
}

#[test]
fn no_bytes_make_a_parser_panic() {
    for (name, target) in TARGETS {
        run(name, target);
    }
}
