//! Q-ids of P275 (copyright licence) and P6216 (copyright status).
//!
//! An id stands here only if two independently published tables agree on it
//! (Wikimedia's own search configuration, tables of upload bots, tables of
//! SPDX ids and of licence addresses): many copies in circulation are wrong.

use super::words;

/// P6216: public domain.
pub const PUBLIC_DOMAIN: &str = "Q19652";
/// P6216: copyrighted.
pub const COPYRIGHTED: &str = "Q50423863";
/// P6216: copyrighted, dedicated to the public domain by the copyright holder.
pub const DEDICATED: &str = "Q88088423";
/// P6216 and P275: no known copyright restrictions.
pub const NO_KNOWN_RESTRICTIONS: &str = "Q99263261";

const LICENCES: &[(&str, &str)] = &[
    ("Q6938433", "CC0-1.0"),
    ("Q7257361", "CC-PDM-1.0"),
    ("Q30942811", "CC-BY-1.0"),
    ("Q19125117", "CC-BY-2.0"),
    ("Q18810333", "CC-BY-2.5"),
    ("Q14947546", "CC-BY-3.0"),
    ("Q20007257", "CC-BY-4.0"),
    ("Q47001652", "CC-BY-SA-1.0"),
    ("Q19068220", "CC-BY-SA-2.0"),
    ("Q19113751", "CC-BY-SA-2.5"),
    ("Q14946043", "CC-BY-SA-3.0"),
    ("Q18199165", "CC-BY-SA-4.0"),
    ("Q44283370", "CC-BY-NC-1.0"),
    ("Q44128984", "CC-BY-NC-2.0"),
    ("Q19113746", "CC-BY-NC-2.5"),
    ("Q18810331", "CC-BY-NC-3.0"),
    ("Q34179348", "CC-BY-NC-4.0"),
    ("Q47008966", "CC-BY-ND-1.0"),
    ("Q35254645", "CC-BY-ND-2.0"),
    ("Q18810338", "CC-BY-ND-2.5"),
    ("Q18810160", "CC-BY-ND-3.0"),
    ("Q36795408", "CC-BY-ND-4.0"),
    ("Q47008954", "CC-BY-NC-SA-1.0"),
    ("Q28050835", "CC-BY-NC-SA-2.0"),
    ("Q19068212", "CC-BY-NC-SA-2.5"),
    ("Q15643954", "CC-BY-NC-SA-3.0"),
    ("Q42553662", "CC-BY-NC-SA-4.0"),
    ("Q47008926", "CC-BY-NC-ND-1.0"),
    ("Q47008927", "CC-BY-NC-ND-2.0"),
    ("Q19068204", "CC-BY-NC-ND-2.5"),
    ("Q19125045", "CC-BY-NC-ND-3.0"),
    ("Q24082749", "CC-BY-NC-ND-4.0"),
    ("Q26921685", "GFDL-1.1-only"),
    ("Q50829096", "GFDL-1.1-or-later"),
    ("Q26921686", "GFDL-1.2-only"),
    ("Q50829104", "GFDL-1.2-or-later"),
    ("Q26921691", "GFDL-1.3-only"),
    ("Q27019786", "GFDL-1.3-or-later"),
    ("Q10513450", "GPL-2.0-only"),
    ("Q27016752", "GPL-2.0-or-later"),
    ("Q10513445", "GPL-3.0-only"),
    ("Q27016754", "GPL-3.0-or-later"),
    ("Q27016757", "LGPL-2.1-or-later"),
    ("Q27016762", "LGPL-3.0-or-later"),
    ("Q334661", "MIT"),
    ("Q152481", "WTFPL"),
    ("Q24273512", "PDDL-1.0"),
    ("Q99891660", "OGL-UK-1.0"),
    ("Q99891692", "OGL-UK-2.0"),
    ("Q99891702", "OGL-UK-3.0"),
    ("Q80939351", "etalab-2.0"),
    // Names the licence, not its version.
    ("Q152332", "LicenseRef-FAL"),
    ("Q98923445", "LicenseRef-Attribution"),
    ("Q99578078", words::FREE_USE),
    ("Q99891295", "LicenseRef-GODL-India"),
    ("Q98592850", words::PD_AUTHOR),
    ("Q60671452", words::PD_USGOV),
    (NO_KNOWN_RESTRICTIONS, words::NO_KNOWN_RESTRICTIONS),
    (PUBLIC_DOMAIN, words::PD),
];

/// Creative Commons' ports: licence and version, then jurisdiction and Q-number.
const PORTS: &[(&str, &str)] = &[
    ("cc-by-1.0", "fi 75446635 il 75446609 nl 75445499"),
    (
        "cc-by-2.0",
        "at 75450165 au 75452310 be 75457467 br 75457506 ca 75460106 cl 75460149 de 75466259 \
         es 75470365 fr 75470422 hr 75474094 it 75475677 jp 75477775 kr 44282633 nl 75476747 \
         pl 75486069 tw 75487055 uk 63241773 za 75488238",
    ),
    ("cc-by-2.1", "au 75894680 es 75894644 jp 26116436"),
    (
        "cc-by-2.5",
        "ar 75491630 au 75494411 bg 75500112 br 75501683 ca 75504835 ch 75506669 cn 75434631 \
         co 75663969 dk 75665696 es 75705948 hr 75706881 hu 75759387 il 75759731 in 75443434 \
         it 75760479 mk 75761383 mt 75761779 mx 75762418 my 75762784 nl 75763101 pe 75764151 \
         pl 75764470 pt 75764895 scotland 75765287 se 27940776 si 75766316 tw 75767185 \
         za 75767606",
    ),
    (
        "cc-by-3.0",
        "at 75768706 au 52555753 br 75770766 ch 75771320 cl 75771874 cn 75779562 cr 75789929 \
         cz 67918154 de 62619894 ec 75850366 ee 75850813 eg 75850832 es 75775133 fr 75775714 \
         gr 75851799 gt 75852313 hk 75779905 hr 75776014 ie 75852938 igo 26259495 it 75776487 \
         lu 75853187 nl 53859967 no 75853549 nz 75853514 ph 75856699 pl 75777688 pr 75857518 \
         pt 75854323 ro 75858169 rs 75859019 sg 75859751 th 75866892 tw 75778801 ug 75882470 \
         us 18810143 vn 75889409",
    ),
    ("cc-by-sa-1.0", "fi 76767348 il 76769447 nl 77014037"),
    (
        "cc-by-sa-2.0",
        "at 77021108 au 77131257 be 77132386 br 77133402 ca 77135172 cl 77136299 de 77143083 \
         es 77352646 fr 77355872 hr 77361415 it 77362254 jp 77363039 kr 44282641 nl 77363856 \
         pl 77364488 tw 77364872 uk 77365183 za 77365530",
    ),
    ("cc-by-sa-2.1", "au 77366066 es 77366576 jp 77367349"),
    (
        "cc-by-sa-2.5",
        "ar 99239269 au 99239530 bg 99239903 br 99239977 ca 24331618 ch 99240068 cn 99240158 \
         co 99240246 dk 99240336 es 99240437 hr 99240535 hu 98755330 il 99240616 in 99240684 \
         it 98929925 mk 99437988 mt 99438077 mx 99438138 my 99438269 nl 18199175 pe 99438515 \
         pl 98755337 pt 99438743 scotland 99438747 se 15914252 si 99438751 tw 99438755 \
         za 99438757",
    ),
    (
        "cc-by-sa-3.0",
        "at 80837139 au 86239208 br 98755369 ch 99457378 cl 99457535 cn 99458406 cr 99458659 \
         cz 98755321 de 42716613 ec 99458819 ee 86239559 es 86239991 fr 86240326 gr 99457707 \
         gt 99459010 hk 99459076 hr 99459365 ie 99459488 igo 56292840 it 98755364 lu 86240624 \
         nl 18195572 no 63340742 nz 99438798 ph 99460006 pl 80837607 pr 99460154 pt 99460272 \
         ro 86241082 rs 98755344 sg 99460356 th 99460411 tw 98960995 ug 99460475 us 18810341 \
         vn 99460484 za 99460515",
    ),
];

/// The licence of a Q-id of P275; `None` for one we do not know.
pub fn licence(id: &str) -> Option<String> {
    if let Some((_, licence)) = LICENCES.iter().find(|(q, _)| *q == id) {
        return Some((*licence).to_owned());
    }
    let number = id.strip_prefix('Q')?;
    PORTS.iter().find_map(|(base, ports)| {
        let words: Vec<_> = ports.split_ascii_whitespace().collect();
        let pair = words.chunks_exact(2).find(|pair| pair[1] == number)?;
        words::read_text(&format!("{base}-{}", pair[0]))?.pop_first()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_id_stands_once_and_is_a_licence() {
        let mut seen = BTreeSet::new();
        let mut licences = BTreeSet::new();
        let ports = PORTS
            .iter()
            .flat_map(|(_, ports)| ports.split_ascii_whitespace().skip(1).step_by(2))
            .map(|number| format!("Q{number}"));
        let ids = LICENCES.iter().map(|(id, _)| (*id).to_owned()).chain(ports);
        for id in ids {
            let read = licence(&id).unwrap_or_else(|| panic!("{id} reads as nothing"));
            fairframe_schemas::licence::parse(&read).unwrap();
            assert!(licences.insert(read.clone()), "{read} stands twice");
            assert!(seen.insert(id.clone()), "{id} stands twice");
        }
        assert_eq!(seen.len(), 237);
    }

    #[test]
    fn ports_are_named_as_spdx_names_them() {
        assert_eq!(licence("Q42716613").as_deref(), Some("CC-BY-SA-3.0-DE"));
        assert_eq!(licence("Q77365183").as_deref(), Some("CC-BY-SA-2.0-UK"));
        assert_eq!(
            licence("Q86239991").as_deref(),
            Some("LicenseRef-CC-BY-SA-3.0-ES")
        );
        // Wrong in tables found elsewhere, or no id at all.
        for id in [
            "Q7257026",
            "Q27016750",
            "Q24082750",
            "42716613",
            "Q",
            "",
            "Qde",
        ] {
            assert_eq!(licence(id), None, "{id}");
        }
    }
}
