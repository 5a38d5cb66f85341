//! A file's bytes as a body: while one piece is sent, the next one is read.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of a piece. A download holds two: a thousand slow ones together some 500 MB.
pub const PIECE: u64 = 256 << 10;

/// The bytes `from..from + length` of a file. A file that turns out shorter breaks the answer off.
pub async fn body(path: PathBuf, from: u64, length: u64) -> io::Result<Body> {
    let open = move || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok::<_, io::Error>(file)
    };
    let file = spawn_blocking(open).await.map_err(io::Error::other)??;
    let pieces = stream::try_unfold((read(file, length), length), async |(reading, left)| {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let (file, piece) = reading.await.map_err(io::Error::other)??;
        let left = left - piece.len() as u64;
        Ok(Some((piece, (read(file, left), left))))
    });
    Ok(Body::from_stream(pieces))
}

/// Reads the next of so many bytes that are left.
fn read(file: File, left: u64) -> JoinHandle<io::Result<(File, Bytes)>> {
    spawn_blocking(move || {
        let size = left.min(PIECE);
        let mut piece = Vec::with_capacity(size as usize);
        (&file).take(size).read_to_end(&mut piece)?;
        match piece.len() as u64 == size {
            true => Ok((file, piece.into())),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn any_part_of_a_file_is_sent_as_it_stands_and_no_more_than_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let all: Vec<u8> = (0..2 * PIECE + 77).map(|n| ((n * n) >> 3) as u8).collect();
        std::fs::write(&path, &all).unwrap();
        let whole = all.len() as u64;
        for (from, length) in [
            (0, whole),
            (1, whole - 1),
            (PIECE, PIECE),
            (PIECE - 1, PIECE + 2),
            (whole - 1, 1),
            (5, 0),
        ] {
            let body = body(path.clone(), from, length).await.unwrap();
            let sent = to_bytes(body, all.len()).await.unwrap();
            assert_eq!(
                sent,
                all[from as usize..][..length as usize],
                "{from} {length}"
            );
        }
        let body = body(path, PIECE, 2 * PIECE).await.unwrap();
        assert!(to_bytes(body, all.len()).await.is_err());
    }
}
