//! Labelled panels.

use foveate::media::Rgb8;
use foveate::media::panel::{Legend, PanelGrid};

use crate::gradient;

fn grid(pictures: Vec<Option<Rgb8>>) -> PanelGrid {
    PanelGrid {
        columns: vec!["observation".into(), "mask ρ = 0.95".into()],
        rows: vec!["train".into(), "video-hard".into()],
        cells: pictures,
        caption: "step 3".into(),
        legends: vec![],
    }
}

/// Where `picture` stands in `paper`, if it does.
fn find(paper: &Rgb8, picture: &Rgb8) -> Option<(usize, usize)> {
    let row = |p: &Rgb8, y: usize| p.data()[3 * y * p.width()..3 * (y + 1) * p.width()].to_vec();
    let width = 3 * picture.width();
    let fits = |x: usize, y: usize| {
        (0..picture.height())
            .all(|r| row(paper, y + r)[3 * x..3 * x + width] == row(picture, r)[..])
    };
    (0..=paper.height() - picture.height())
        .flat_map(|y| (0..=paper.width() - picture.width()).map(move |x| (x, y)))
        .find(|&(x, y)| paper.get(x, y) == picture.get(0, 0) && fits(x, y))
}

#[test]
fn panels_stand_in_rows_and_columns() {
    let shades: Vec<Rgb8> = [10u8, 80, 140]
        .iter()
        .map(|&s| {
            let mut picture = gradient(36, 36);
            picture.set(0, 0, [s; 3]);
            picture
        })
        .collect();
    let mut cells: Vec<Option<Rgb8>> = shades.iter().cloned().map(Some).collect();
    cells.push(None);
    let paper = grid(cells.clone()).render().unwrap();
    // 36 pixels are shown four times as large.
    let at: Vec<_> = shades
        .iter()
        .map(|s| find(&paper, &s.upscale_nearest(4)).unwrap())
        .collect();
    assert_eq!(at[0].1, at[1].1, "one row");
    assert_eq!(at[0].0, at[2].0, "one column");
    assert!(at[1].0 >= at[0].0 + 144 && at[2].1 >= at[0].1 + 144);
    assert_eq!(paper.get(0, 0), Some([255; 3]));
    // Titles above, labels to the left: there is ink.
    let ink = |xs: std::ops::Range<usize>, ys: std::ops::Range<usize>| {
        ys.flat_map(|y| xs.clone().map(move |x| (x, y)))
            .filter(|&(x, y)| paper.get(x, y).unwrap()[0] < 100)
            .count()
    };
    assert!(ink(at[0].0..at[0].0 + 144, 0..at[0].1) > 50);
    assert!(ink(0..at[0].0, at[0].1..at[0].1 + 144) > 20);

    // Frames of one animation have one size, whatever is in them.
    cells.reverse();
    let other = grid(cells).render().unwrap();
    assert_eq!(
        (other.width(), other.height()),
        (paper.width(), paper.height())
    );
    let large = grid(vec![Some(gradient(84, 84)); 4]).render().unwrap();
    assert!(find(&large, &gradient(84, 84).upscale_nearest(2)).is_some());

    assert!(grid(vec![None; 3]).render().is_err());
    assert!(PanelGrid::default().render().is_err());
    assert!(grid(vec![None; 4]).render().is_ok());
}

/// Samples of all colours stand under the table, in as many lines as it takes; frames that
/// differ in their pictures alone still have one size.
#[test]
fn legends_say_what_colours_mean() {
    let colours = [[9, 120, 200], [201, 20, 90], [30, 160, 31], [240, 240, 1]];
    let legend = |words: [&str; 4]| Legend {
        title: "true segmentation:".into(),
        colours: (colours.into_iter().zip(words))
            .map(|(colour, word)| (colour, word.to_string()))
            .collect(),
    };
    let drawn = |legends: Vec<Legend>, shade: u8| {
        let picture = Rgb8::filled(36, 36, [shade; 3]).unwrap();
        let grid = PanelGrid {
            legends,
            ..grid(vec![Some(picture); 4])
        };
        grid.render().unwrap()
    };
    let bare = drawn(vec![], 80);
    let short = drawn(vec![legend(["a", "b", "c", "d"])], 80);
    let long = drawn(vec![legend(["background"; 4]), legend(["w"; 4])], 80);
    let endless = "no line is as long as this word ".repeat(9);
    let cut = drawn(vec![legend([&endless; 4])], 80);
    let (width, height) = (bare.width(), bare.height());
    for (paper, samples) in [(&short, 1), (&long, 2), (&cut, 1)] {
        assert_eq!(paper.width(), width);
        for colour in colours {
            let at = (0..paper.width() * paper.height())
                .filter(|i| paper.get(i % width, i / width) == Some(colour))
                .collect::<Vec<_>>();
            assert_eq!(at.len(), samples * 9 * 9, "{colour:?}");
            assert!(at[0] / width >= height - 12, "under the table");
        }
    }
    let lines = |paper: &Rgb8| (paper.height() - height) / 18;
    assert_eq!((lines(&short), lines(&long), lines(&cut)), (1, 4, 5));
    let other = drawn(vec![legend(["a", "b", "c", "d"])], 10);
    assert_eq!(
        (other.width(), other.height()),
        (short.width(), short.height())
    );
}

/// A caption does not run out of the picture.
#[test]
fn long_captions_are_cut() {
    let with = |caption: &str| {
        let grid = PanelGrid {
            caption: caption.into(),
            ..grid(vec![Some(gradient(36, 36)); 4])
        };
        grid.render().unwrap()
    };
    let (short, long) = (with("step 3"), with(&"wide ".repeat(90)));
    assert_eq!(
        (short.width(), short.height()),
        (long.width(), long.height())
    );
    let margin = |paper: &Rgb8| {
        let columns = paper.width() - 12..paper.width();
        let mut all = columns.flat_map(|x| (0..paper.height()).map(move |y| (x, y)));
        all.all(|(x, y)| paper.get(x, y) == Some([255; 3]))
    };
    assert!(margin(&short) && margin(&long));
}
