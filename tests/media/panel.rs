//! Labelled panels.

use foveate::media::Rgb8;
use foveate::media::panel::PanelGrid;

use crate::gradient;

fn grid(pictures: Vec<Option<Rgb8>>) -> PanelGrid {
    PanelGrid {
        columns: vec!["observation".into(), "mask ρ = 0.95".into()],
        rows: vec!["train".into(), "video-hard".into()],
        cells: pictures,
        caption: "step 3".into(),
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
