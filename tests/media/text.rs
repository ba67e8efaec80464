//! Text.

use foveate::media::Rgb8;
use foveate::media::text::{INK, Label, Weight, wrap};

#[test]
fn text_is_set_in_a_font_that_has_the_letters() {
    let label = |text: &str| Label::new(text, 15.0, Weight::Regular).unwrap();
    assert_eq!(label("").width(), 0);
    assert!(label("WWW").width() > label("iii").width());
    assert_eq!(label("a").height(), label("Ĝg").height());
    let drawn = |text: &str| {
        let mut paper = Rgb8::filled(40, 30, [255; 3]).unwrap();
        label(text).draw(&mut paper, 2, 2, INK);
        paper
    };
    let lacking = drawn("\u{10ffff}");
    for letter in ["ρ", "·", "–", "−", "…", "é"] {
        assert_ne!(drawn(letter), drawn(""), "{letter} is drawn");
        assert_ne!(drawn(letter), lacking, "{letter} is in the font");
    }
    // Turned left: the same ink, columns become rows; outside is cut.
    let turned = label("ab").turned_left();
    assert_eq!(turned.width(), label("ab").height());
    assert_eq!(turned.height(), label("ab").width());
    // It reads upwards: the M is below, the dots above.
    let up = label("M....").turned_left();
    let mut paper = Rgb8::filled(up.width(), up.height(), [255; 3]).unwrap();
    up.draw(&mut paper, 0, 0, INK);
    let ink = |rows: std::ops::Range<usize>| {
        paper.data()[3 * up.width() * rows.start..3 * up.width() * rows.end]
            .iter()
            .map(|&v| 255 - u32::from(v))
            .sum::<u32>()
    };
    let middle = up.height() / 2;
    assert!(ink(middle..up.height()) > 2 * ink(0..middle));
    let mut paper = Rgb8::filled(5, 5, [255; 3]).unwrap();
    for (x, y) in [(-7, -7), (4, 4), (100, 100), (-100, 0)] {
        turned.draw(&mut paper, x, y, INK);
    }
    for size in [0.0, -3.0, f32::NAN, 1e9] {
        assert!(Label::new("a", size, Weight::Bold).is_err());
    }

    let lines = wrap("predicted mask of a", 15.0, Weight::Regular, 80).unwrap();
    assert_eq!(lines.len(), 2);
    let word = wrap("incomprehensibilities", 15.0, Weight::Regular, 60).unwrap();
    assert!(word.len() == 1 && word[0].width() <= 60 && word[0].width() > 40);
}
