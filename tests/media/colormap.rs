//! Numbers → colours.

use foveate::media::Rgb8;
use foveate::media::colormap::{self, NOT_A_NUMBER, Scale, Sequential};
use proptest::prelude::*;

#[test]
fn colours_say_sign_and_size() {
    let signed = colormap::diverging(&[-2.0, -1.0, 0.0, 1.0, 2.0], 1, 5, Scale::Max).unwrap();
    let colours: Vec<_> = signed.colours().collect();
    assert!(colours[0][2] > colours[0][0] + 50, "negative is blue");
    assert!(colours[4][0] > colours[4][2] + 50, "positive is red");
    let zero = colours[2];
    assert!(zero.iter().all(|&v| v > 230), "zero is nearly white");
    let distance = |c: [u8; 3]| -> u32 {
        c.iter()
            .zip(zero)
            .map(|(a, b)| u32::from(a.abs_diff(b)))
            .sum()
    };
    assert!(distance(colours[1]) < distance(colours[0]));

    // Legends show the colours of the maps.
    for (share, at) in [(-1.0, 0), (-0.5, 1), (0.0, 2), (1.0, 4)] {
        assert_eq!(colormap::diverging_colour(share), colours[at]);
    }
    let gradient = Sequential::Inferno;
    let heat = colormap::magnitude(&[1.0, -2.0], 1, 2, Scale::Max, gradient).unwrap();
    for (share, at) in [(0.5, 0), (1.0, 1)] {
        let right = heat.get(at, 0).unwrap();
        assert_eq!(colormap::magnitude_colour(share, gradient), right);
    }

    // NaN is seen, infinities are the ends, zeros and constants have a colour.
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 2.0];
    let odd = colormap::diverging(&odd, 1, 5, Scale::Max).unwrap();
    assert_eq!(odd.get(0, 0), Some(NOT_A_NUMBER));
    assert_eq!(odd.get(1, 0), Some(colours[4]));
    assert_eq!(odd.get(2, 0), Some(colours[0]));
    assert_eq!(odd.get(3, 0), Some(zero));
    assert_eq!(odd.get(4, 0), Some(colours[4]));
    for scale in [Scale::Max, Scale::Quantile(0.9), Scale::Fixed(0.0)] {
        let flat = colormap::diverging(&[0.0; 4], 2, 2, scale).unwrap();
        assert!(flat.colours().all(|c| c == zero), "{scale:?}");
    }

    // Magnitudes: brighter with |v|; one outlier does not darken the rest.
    for gradient in [Sequential::Viridis, Sequential::Inferno] {
        let mut map = vec![-1.0; 99];
        map.push(1000.0);
        let ends = colormap::magnitude(&[0.0, 1.0], 1, 2, Scale::Max, gradient).unwrap();
        let robust = colormap::magnitude(&map, 10, 10, Scale::Quantile(0.9), gradient).unwrap();
        assert_eq!(robust.get(0, 0), ends.get(1, 0));
        let dimmed = colormap::magnitude(&map, 10, 10, Scale::Max, gradient).unwrap();
        assert_ne!(dimmed.get(0, 0), ends.get(1, 0));
    }
    assert!(colormap::diverging(&[0.0; 5], 2, 2, Scale::Max).is_err());
    assert!(colormap::diverging(&[], 0, 0, Scale::Max).is_err());
}

#[test]
fn masks_keep_colour_where_they_keep() {
    let observation = Rgb8::filled(4, 1, [200, 100, 40]).unwrap();
    let mask = [1.0, 0.0, 0.5, f32::NAN];
    let shown = colormap::mask_overlay(&observation, &mask).unwrap();
    assert_eq!(shown.get(0, 0), Some([200, 100, 40]));
    let [r, g, b] = shown.get(1, 0).unwrap();
    assert!(r == g && g == b && r < 70, "dropped: grey and dim");
    let half = shown.get(2, 0).unwrap()[0];
    assert!(half > r && half < 200);
    assert_eq!(shown.get(3, 0), Some(NOT_A_NUMBER));
    assert!(colormap::mask_overlay(&observation, &mask[..3]).is_err());

    let heat = |value: f32, grey: u8| {
        let picture = Rgb8::filled(2, 1, [grey; 3]).unwrap();
        let map = [value, f32::NAN];
        let shown = colormap::heat_overlay(&picture, &map, Scale::Fixed(2.0)).unwrap();
        assert_eq!(shown.get(1, 0), Some(NOT_A_NUMBER));
        shown.get(0, 0).unwrap().map(u32::from).iter().sum::<u32>()
    };
    assert!(heat(0.0, 0) < heat(1.0, 0) && heat(1.0, 0) < heat(2.0, 0));
    assert!(heat(1.0, 0) < heat(1.0, 255), "the picture shows through");
    let bare = heat(0.0, 255);
    assert!((390..=480).contains(&bare), "{bare}: seen where nothing is");
    assert!(colormap::heat_overlay(&observation, &mask[..3], Scale::Max).is_err());

    let plain = colormap::mask(&[0.0, 1.0, 0.5, -3.0, 9.0, f32::NAN], 1, 6).unwrap();
    let greys: Vec<u8> = plain.colours().map(|c| c[0]).collect();
    assert_eq!(greys, [0, 255, 128, 0, 255, 255]);
    assert_eq!(plain.get(5, 0), Some(NOT_A_NUMBER));

    let ids: Vec<u8> = (0..=20).collect();
    let classes: Vec<_> = colormap::segmentation(&ids, 3, 7)
        .unwrap()
        .colours()
        .collect();
    for (i, a) in classes.iter().enumerate() {
        assert!(
            !classes[..i].contains(a),
            "class {i} has a colour of its own"
        );
    }

    // Two channels of 1×3: the larger magnitude, its sign, and NaN.
    let map = [1.0, -5.0, 0.0, -2.0, 4.0, f32::NAN];
    let strongest = colormap::strongest_channel(&map, 2, 1, 3).unwrap();
    assert_eq!(strongest[..2], [-2.0, -5.0]);
    assert!(strongest[2].is_nan());
    assert!(colormap::strongest_channel(&map, 4, 1, 3).is_err());
}

proptest! {
    #[test]
    fn no_value_makes_a_colour_panic(map in prop::collection::vec(any::<f32>(), 12), q in any::<f32>()) {
        for scale in [Scale::Max, Scale::Quantile(q), Scale::Fixed(q)] {
            colormap::diverging(&map, 3, 4, scale).unwrap();
            colormap::magnitude(&map, 4, 3, scale, Sequential::Viridis).unwrap();
        }
        let picture = colormap::mask(&map, 3, 4).unwrap();
        colormap::mask_overlay(&picture, &map).unwrap();
        colormap::heat_overlay(&picture, &map, Scale::Max).unwrap();
    }
}
