//! Ready zips, good and bad.

use super::*;

#[test]
fn a_ready_zip_is_taken_as_it_is() {
    let scratch = Scratch::new("zip");
    let path = scratch
        .zip("good.zip", &[("app/", ""), ("app/appspec.yml", "version: 0.0\n"), ("app/d/", ""), ("app/l@", "x")]);
    let bundle = from_path(&path).unwrap();
    assert_eq!(bytes(&bundle), fs::read(&path).unwrap());
    let opened = open(Recipe::whole(&path, &[])).map_err(drop).unwrap();
    assert_eq!(opened.files.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["appspec.yml", "d", "l"]);
    assert_eq!(opened.appspec, b"version: 0.0\n");
}

#[test]
fn a_zip_that_could_do_harm_is_refused() {
    let scratch = Scratch::new("bad-zip");
    let good = ("appspec.yml", "version: 0.0\n");
    for (entries, expected) in [
        (vec![good, ("../x", "")], "the name `../x` leaves the bundle"),
        (vec![good, ("/etc/x", "")], "the name `/etc/x` is absolute"),
        (vec![good, ("a\\b", "")], "has a character that unpackers read differently"),
        (vec![good, ("l@", "../../etc")], "the link `l` points to `../../etc`, out of the bundle"),
        (vec![("a/x", "")], "there is no appspec.yml at the root"),
        (vec![("a/appspec.yml", ""), ("b", "")], "there is no appspec.yml at the root"),
        (vec![], "there is no appspec.yml at the root"),
        (vec![("appspec.yaml", "")], "there is no appspec.yml at the root"),
        (vec![good, ("appspec.yaml", "")], "appspec.yml and appspec.yaml are both there"),
        (vec![good, ("a", ""), ("a/b", "")], "`a/b` lies below `a`, which is not a directory"),
        (vec![good, ("l@", "d"), ("l/b", "")], "`l/b` lies below `l`, which is not a directory"),
    ] {
        let failure = from_path(&scratch.zip("bad.zip", &entries)).unwrap_err();
        assert!(failure.message.contains(expected), "{expected}: {}", failure.message);
    }
}

fn said(bytes: &[u8], most_bytes: u64) -> String {
    let problems = archive::contents(Cursor::new(bytes), Limits { most_bytes }).1;
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn everything_that_is_wrong_with_a_zip_is_said_at_once() {
    let scratch = Scratch::new("all-zip");
    let path = scratch.zip("bad.zip", &[("../x", ""), ("/y", ""), ("good", ""), ("l@", "/etc")]);
    assert_eq!(
        said(&fs::read(path).unwrap(), 1000),
        "the name `../x` leaves the bundle [bundle/name]\nthe name `/y` is absolute [bundle/name]\n\
         the link `l` points to `/etc`, out of the bundle [bundle/link]"
    );
}

#[test]
fn a_bomb_is_not_unpacked() {
    let scratch = Scratch::new("bomb");
    let zeros = "0".repeat(100_000);
    let bytes = fs::read(scratch.zip("bomb.zip", &[("appspec.yml", ""), ("a", &zeros), ("b", &zeros)])).unwrap();
    assert!(bytes.len() < 2000);
    assert_eq!(said(&bytes, 200_000), "");
    for most in [50_000, 150_000, 199_999] {
        assert_eq!(said(&bytes, most), "larger than 0 GiB [bundle/size]", "{most}");
    }
    // A smaller size than the real one, declared in both places.
    let mut liar = bytes.clone();
    for (mark, place) in [(b"PK\x01\x02", 24), (b"PK\x03\x04", 22)] {
        let starts: Vec<usize> = (0..liar.len() - 4).filter(|at| &liar[*at..at + 4] == mark).collect();
        for at in starts {
            liar[at + place..at + place + 4].copy_from_slice(&5_u32.to_le_bytes());
        }
    }
    assert_ne!(said(&liar, 50_000), "");
}

/// The same name twice, as no writer of ours makes it: one letter is changed afterwards.
#[test]
fn a_name_twice_is_refused() {
    let scratch = Scratch::new("twice");
    let mut bytes =
        fs::read(scratch.zip("twice.zip", &[("appspec.yml", ""), ("name-1", "a"), ("name-2", "b")])).unwrap();
    while let Some(at) = bytes.windows(6).position(|six| six == b"name-2") {
        bytes[at + 5] = b'1';
    }
    assert_eq!(said(&bytes, 1000), "the name `name-1` is in it twice, with other contents [bundle/duplicate]");
}

#[test]
fn names_that_are_no_text_and_odd_kinds_are_refused() {
    let scratch = Scratch::new("odd-zip");
    let good = fs::read(scratch.zip("odd.zip", &[("appspec.yml", ""), ("odd", "")])).unwrap();
    let changed = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|at| &bytes[*at..at + from.len()] == from).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    };
    assert_eq!(said(&changed(b"odd", b"o\xffd"), 1000), "the name `o\u{fffd}d` is not UTF-8 [bundle/name]");
    // The upper half of the external attributes is the mode: regular files become FIFOs.
    let central: Vec<usize> = (0..good.len() - 4).filter(|at| &good[*at..at + 4] == b"PK\x01\x02").collect();
    let mut fifo = good.clone();
    fifo[central[1] + 40..central[1] + 42].copy_from_slice(&0o010_644_u16.to_le_bytes());
    assert_eq!(said(&fifo, 1000), "`odd` is a device, a FIFO or a socket [bundle/kind]");
}

#[test]
fn a_damaged_zip_is_refused() {
    let scratch = Scratch::new("damaged");
    let content: String = (0..3000).map(|number| format!("{number} ")).collect();
    let good = fs::read(scratch.zip("good.zip", &[("appspec.yml", "version: 0.0\n"), ("x", &content)])).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0xff;
    let mut encrypted = good.clone();
    let central = good.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    encrypted[central + 8] |= 1;
    let mut huge = good.clone();
    huge[central + 24..central + 28].copy_from_slice(&0xc000_0000_u32.to_le_bytes());
    for (name, bytes, expected) in [
        ("flipped", &flipped[..], "`x` in it cannot be read"),
        ("cut", &good[..good.len() - 30], "not a zip that can be read"),
        ("encrypted", &encrypted[..], "`appspec.yml` is encrypted [bundle/encrypted]"),
        ("huge", &huge[..], "larger than 2 GiB [bundle/size]"),
        ("text", b"hello", "not a zip that can be read"),
    ] {
        let path = scratch.0.join(name);
        fs::write(&path, bytes).unwrap();
        let failure = from_path(&path).expect_err(name);
        assert_eq!(failure.kind.exit_code(), 2, "{failure}");
        assert!(failure.message.contains(expected), "{name}: {failure}");
    }
}

/// A zip of stored files, whatever their names; a method is only written, not used.
fn stored(files: &[(&str, &str, u16)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, text, method) in files {
        let crc = crc(text.as_bytes());
        let common = [
            &[20, 0, 0, 0][..],
            &method.to_le_bytes(),
            &[0; 4],
            &crc.to_le_bytes(),
            &(text.len() as u32).to_le_bytes(),
            &(text.len() as u32).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        directory.extend(
            [b"PK\x01\x02", &[20, 0][..], &common, &[0; 10], &(bytes.len() as u32).to_le_bytes(), name.as_bytes()]
                .concat(),
        );
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), text.as_bytes()].concat());
    }
    let (start, size, count) = (bytes.len() as u32, directory.len() as u32, files.len() as u16);
    let end =
        [&count.to_le_bytes()[..], &count.to_le_bytes(), &size.to_le_bytes(), &start.to_le_bytes(), &[0, 0]].concat();
    [bytes, directory, b"PK\x05\x06\0\0\0\0".to_vec(), end].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn the_same_twice_is_no_harm() {
    let appspec = ("appspec.yml", "version: 0.0\n", 0);
    for (files, expected) in [
        (
            vec![
                appspec,
                ("META-INF/", "", 0),
                ("META-INF/", "", 0),
                ("META-INF/LICENSE", "x", 0),
                ("META-INF/LICENSE", "x", 0),
            ],
            "",
        ),
        (
            vec![appspec, ("a", "x", 0), ("a", "y", 0)],
            "the name `a` is in it twice, with other contents [bundle/duplicate]",
        ),
        (vec![("./", "", 0), ("./appspec.yml", "version: 0.0\n", 0), ("./d/./x", "", 0)], ""),
        (
            vec![appspec, ("a", "x", 0), ("./a", "y", 0)],
            "the name `a` is in it twice, with other contents [bundle/duplicate]",
        ),
        (
            vec![appspec, ("a", "x", 9)],
            "`a` is packed with method 9 (Deflate64), which not every unpacker knows [bundle/method]",
        ),
        (
            vec![appspec, ("a", "x", 14)],
            "`a` is packed with method 14 (LZMA), which not every unpacker knows [bundle/method]",
        ),
    ] {
        assert_eq!(said(&stored(&files), 1000), expected, "{files:?}");
    }
    let scratch = Scratch::new("dots");
    fs::write(scratch.0.join("dots.zip"), stored(&[("./appspec.yml", "version: 0.0\n", 0)])).unwrap();
    let opened = open(Recipe::whole(&scratch.0.join("dots.zip"), &[])).map_err(drop).unwrap();
    assert_eq!(opened.appspec, b"version: 0.0\n");
}
