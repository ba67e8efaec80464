//! The picture in memory.

use foveate::media::Rgb8;

#[test]
fn an_rgb_picture_keeps_its_layout() {
    assert!(Rgb8::new(2, 2, vec![0; 11]).is_err());
    assert!(Rgb8::new(0, 2, vec![]).is_err());
    assert!(Rgb8::filled(usize::MAX, 2, [0; 3]).is_err());
    let picture = Rgb8::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(picture.to_chw(), [1, 4, 2, 5, 3, 6]);
    assert_eq!(Rgb8::from_chw(&picture.to_chw(), 1, 2).unwrap(), picture);
    assert!(Rgb8::from_chw(&[0; 5], 1, 2).is_err());

    let large = picture.upscale_nearest(3);
    assert_eq!((large.width(), large.height()), (6, 3));
    assert_eq!(large.get(2, 2), Some([1, 2, 3]));
    assert_eq!(large.get(3, 0), Some([4, 5, 6]));
    assert_eq!(large.downscale_mean(3).unwrap(), picture);
    assert_eq!(picture.downscale_mean(1).unwrap(), picture);
    assert!(picture.downscale_mean(2).is_err());

    let mut paper = Rgb8::filled(4, 4, [9; 3]).unwrap();
    paper.paste(&large, 2, 3);
    assert_eq!(paper.get(3, 3), Some([1, 2, 3]));
    assert_eq!(paper.get(1, 3), Some([9; 3]));
    paper.paste(&large, 4, 0);
    assert_eq!(paper.get(4, 0), None);
}
