//! A folder opened as a drop: no file is reached through a link.

use std::{fs::File, io, os::fd::OwnedFd, path::Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What a name in a folder turned out to be.
#[derive(Debug)]
pub enum Opened {
    File(File),
    Missing,
    /// A link on the way or at the end, a folder, device, socket or pipe.
    Refused,
}

/// Opens `name` (canonical, see [`super::path`]) below `root`. Links are not
/// followed, not even inside the drop; only regular files are opened.
pub fn open_below(root: &Path, name: &str) -> io::Result<Opened> {
    let root = rustix::fs::open(
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let opened = match by_openat2(&root, name) {
        // An old kernel, or a sandbox that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => by_parts(&root, name),
        other => other,
    };
    let file = match opened {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(Opened::Missing),
        Err(Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::NXIO | Errno::ISDIR) => {
            return Ok(Opened::Refused);
        }
        Err(other) => return Err(other.into()),
    };
    if file.metadata()?.is_file() {
        Ok(Opened::File(file))
    } else {
        Ok(Opened::Refused)
    }
}

// Non-blocking, so that opening a pipe does not wait for a writer.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

fn by_openat2(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(root, name, FILE, Mode::empty(), resolve) {
            // The kernel asks to try again when a folder was renamed meanwhile.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn by_parts(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let mut folder = rustix::io::dup(root)?;
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Err(Errno::XDEV);
        }
        if parts.peek().is_none() {
            return rustix::fs::openat(&folder, part, FILE, Mode::empty());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = rustix::fs::openat(&folder, part, flags, Mode::empty())?;
    }
    Err(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_special_files_are_refused_both_ways() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let drop = tempfile::tempdir().unwrap();
        std::fs::create_dir(drop.path().join("in")).unwrap();
        std::fs::write(drop.path().join("in/a.jpg"), "a").unwrap();
        symlink(outside.path().join("secret"), drop.path().join("link")).unwrap();
        symlink(outside.path(), drop.path().join("dir")).unwrap();
        symlink("in/a.jpg", drop.path().join("inner")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, drop.path().join("pipe"), Mode::RWXU).unwrap();

        let open = |name| open_below(drop.path(), name).unwrap();
        assert!(matches!(open("in/a.jpg"), Opened::File(_)));
        assert!(matches!(open("in/b.jpg"), Opened::Missing));
        for name in ["link", "dir/secret", "inner", "pipe", "in"] {
            assert!(matches!(open(name), Opened::Refused), "{name}");
        }

        let root = rustix::fs::open(drop.path(), OFlags::PATH, Mode::empty()).unwrap();
        assert!(by_parts(&root, "in/a.jpg").is_ok());
        for name in ["link", "dir/secret", "inner", "../x", "in/../in/a.jpg"] {
            assert!(by_parts(&root, name).is_err(), "{name}");
        }
    }
}
