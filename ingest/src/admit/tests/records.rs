//! A folder of consent records, as it is read.

use super::*;

#[test]
fn a_folder_is_read_and_bad_files_are_entries() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.json",
        &record_json("a", &[("given", "2026-01-01")]).to_string(),
    );
    write(
        "B.JSON",
        &record_json("b", &[("given", "2026-01-01")]).to_string(),
    );
    // A withdrawal with a slip of the pen: whose it is can be made out.
    let slip = record_json("c", &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")]);
    write(
        "c.json",
        &slip
            .to_string()
            .replace("ConsentWithdrawn", "ConsentWithdrwan"),
    );
    let mut before = record_json("c", &[("given", "2026-01-01")]);
    before["record_id"] = json!("older");
    write("c-older.json", &before.to_string());
    write("empty.json", "");
    write("latin.json", "");
    std::fs::write(folder.path().join("latin.json"), b"{\"a\":\"\xe9\"}").unwrap();
    write("large.json", &" ".repeat(70_000));
    write("notes.txt", "not looked at");
    std::fs::create_dir(folder.path().join("folder.json")).unwrap();
    std::os::unix::fs::symlink("a.json", folder.path().join("link.json")).unwrap();

    let ledger = ConsentLedger::load(&source(), folder.path());
    assert_eq!(ledger.len(), 3);
    let files: Vec<_> = ledger.invalid().iter().map(|i| i.file.as_str()).collect();
    assert_eq!(
        files,
        [
            "c.json",
            "empty.json",
            "folder.json",
            "large.json",
            "latin.json",
            "link.json"
        ]
    );
    assert!(
        ledger.invalid()[0].message.contains("events[1].state"),
        "{:?}",
        ledger.invalid()[0]
    );
    assert_eq!(ledger.invalid()[0].subject.as_deref(), Some("c"));
    // Whose the strays are nobody can say: one may be a withdrawal of anybody.
    for subject in ["a", "b", "c", "d"] {
        let row = judged(sample(&[subject]), &Policy::default(), &ledger);
        assert!(row.reasons.contains(&Reason::ConsentInvalid), "{subject}");
    }
    // Without them, only the person with the slip is refused.
    for stray in ["empty.json", "latin.json", "large.json", "link.json"] {
        std::fs::remove_file(folder.path().join(stray)).unwrap();
    }
    std::fs::remove_dir(folder.path().join("folder.json")).unwrap();
    let ledger = ConsentLedger::load(&source(), folder.path());
    for (subject, reasons) in [
        ("a", vec![]),
        ("b", vec![]),
        ("c", vec![Reason::ConsentInvalid]),
        ("d", vec![Reason::ConsentMissing]),
    ] {
        assert_eq!(
            judged(sample(&[subject]), &Policy::default(), &ledger).reasons,
            reasons,
            "{subject}"
        );
    }
    let mut named = sample(&[]);
    named.consent_id = Some("consent-c".to_owned());
    assert_eq!(
        judged(named, &Policy::default(), &ledger).reasons,
        [Reason::ConsentInvalid]
    );
    assert!(ConsentLedger::load(&source(), &folder.path().join("absent")).is_empty());
}

#[test]
fn two_records_of_one_id_do_not_hold_and_a_copy_does() {
    let given = record_json("a", &[("given", "2026-01-01")]);
    let mut other = record_json("b", &[("given", "2026-01-01")]);
    other["record_id"] = json!("consent-a");
    let files = |list: Vec<(&str, String)>| {
        let list = list
            .into_iter()
            .map(|(n, t)| (n.to_owned(), Ok(t.into_bytes())));
        ConsentLedger::from_files(&source(), list, LedgerLimits::default())
    };
    let copies = files(vec![
        ("1.json", given.to_string()),
        ("2.json", given.to_string()),
    ]);
    assert_eq!((copies.len(), copies.invalid().len()), (1, 0));
    assert_eq!(
        judged(sample(&["a"]), &Policy::default(), &copies).status,
        Status::Accepted
    );

    let clash = files(vec![
        ("1.json", given.to_string()),
        ("2.json", other.to_string()),
    ]);
    assert_eq!((clash.len(), clash.invalid().len()), (0, 1));
    assert!(clash.invalid()[0].message.contains("`1.json`"));
    for subject in ["a", "b"] {
        let s = judged(sample(&[subject]), &Policy::default(), &clash);
        assert_eq!(s.reasons, [Reason::ConsentInvalid], "{subject}");
    }
}

#[test]
fn more_files_than_the_limit_leave_no_consent_standing() {
    let files = (0..4).map(|i| {
        let text = record_json(&format!("p{i}"), &[("given", "2026-01-01")]).to_string();
        (format!("{i}.json"), Ok(text.into_bytes()))
    });
    let limits = LedgerLimits {
        files: 2,
        ..LedgerLimits::default()
    };
    let ledger = ConsentLedger::from_files(&source(), files, limits);
    assert_eq!((ledger.len(), ledger.invalid().len()), (2, 1));
    // An unread file may be a withdrawal.
    let s = judged(sample(&["p0"]), &Policy::default(), &ledger);
    assert_eq!(s.reasons, [Reason::ConsentInvalid]);
}

#[test]
fn every_record_has_a_receipt() {
    let ledger = ledger([
        record("b", &[("given", "2026-01-01")]),
        record("a", &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")]),
    ]);
    let receipts: Vec<_> = ledger.receipts(at("2026-06-01")).collect();
    let ids: Vec<_> = receipts.iter().map(|(_, id, _)| *id).collect();
    assert_eq!(ids, ["consent-a", "consent-b"]);
    assert!(receipts[0].2.contains("dpv:ConsentWithdrawn"));
}
