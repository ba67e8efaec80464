//! The head of a NumPy `.npy` file (numpy.lib.format, versions 1 to 3).
//!
//! The head is a Python dictionary in the one form that NumPy writes. It is scanned for
//! its three keys rather than parsed: the crates that parse it as Python bring a grammar
//! compiler and big integers, and recurse as deep as a damaged file asks them to.

use super::array::Element;

const MAGIC: &[u8] = b"\x93NUMPY";

/// What a `.npy` file holds, and from which byte on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub element: Result<Element, String>,
    pub shape: Vec<usize>,
    pub start: usize,
}

/// Reads the head of `bytes`; else why it is none.
pub(super) fn header(bytes: &[u8]) -> Result<Header, String> {
    let ends = || format!("it ends after {} bytes, within its head", bytes.len());
    let rest = (bytes.strip_prefix(MAGIC)).ok_or("it does not begin as one")?;
    let (&[version, _], rest) = rest.split_first_chunk::<2>().ok_or_else(ends)?;
    let (length, rest) = if version == 1 {
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(ends)?;
        (u32::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(ends)?;
        (u32::from_le_bytes(*length), rest)
    };
    let text = rest.get(..length as usize).ok_or_else(ends)?;
    let start = bytes.len() - rest.len() + text.len();
    let text = std::str::from_utf8(text).map_err(|_| "its head is no text")?;

    let lacks = |key: &str| format!("its head has no '{key}': {}", text.trim_end());
    let shape = value(text, "shape")
        .and_then(dimensions)
        .ok_or_else(|| lacks("shape"))?;
    let fortran = value(text, "fortran_order").ok_or_else(|| lacks("fortran_order"))?;
    let element = value(text, "descr").ok_or_else(|| lacks("descr"))?;
    Ok(Header {
        element: if fortran.starts_with("True") && shape.len() > 1 {
            Err(format!("{} in Fortran order", quoted(element)))
        } else {
            element_of(quoted(element))
        },
        shape,
        start,
    })
}

/// What follows `'key':`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = ['\'', '"']
        .iter()
        .find_map(|quote| text.split_once(&format!("{quote}{key}{quote}")))?;
    rest.trim_start().strip_prefix(':').map(str::trim_start)
}

/// `(3, 4,)` as numbers.
fn dimensions(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    (inside.split(',').map(str::trim))
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect()
}

/// The text within quotes; of a structured type, all that follows.
fn quoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.split_once(quote);
    (inside('\'').or_else(|| inside('"'))).map_or(text, |(inside, _)| inside)
}

fn element_of(descr: &str) -> Result<Element, String> {
    match descr {
        "|u1" | "<u1" | "u1" => Ok(Element::U8),
        "<f4" => Ok(Element::F32),
        other => Err(other.trim_end().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, dictionary: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        let length = dictionary.len() as u32;
        let length = length.to_le_bytes();
        bytes.extend(&length[..if version == 1 { 2 } else { 4 }]);
        bytes.extend(dictionary.bytes());
        bytes
    }

    #[test]
    fn heads_of_every_version_are_read() {
        let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5), }   \n";
        for version in 1..=3 {
            let bytes = file(version, text);
            let expected = Header {
                element: Ok(Element::U8),
                shape: vec![3, 4, 5],
                start: bytes.len(),
            };
            assert_eq!(header(&bytes), Ok(expected));
            for end in 0..bytes.len() {
                assert!(header(&bytes[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn other_elements_and_orders_are_told() {
        let of = |descr: &str, order: &str, shape: &str| {
            let text =
                format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
            header(&file(1, &text)).map(|h| (h.element, h.shape))
        };
        assert_eq!(
            of("'<f4'", "False", "(7,)"),
            Ok((Ok(Element::F32), vec![7]))
        );
        assert_eq!(of("\"<f4\"", "True", "()"), Ok((Ok(Element::F32), vec![])));
        let refused = |descr, order| of(descr, order, "(2, 2)").unwrap().0.unwrap_err();
        assert_eq!(refused("'>f4'", "False"), ">f4");
        assert!(refused("'<f4'", "True").contains("Fortran"));
        assert!(refused("[('a', '<f4')]", "False").starts_with("[('a'"));
        for shape in ["(2, -1)", "(2", "2", "(99999999999999999999999,)"] {
            assert!(of("'|u1'", "False", shape).is_err(), "{shape}");
        }
        assert!(header(b"PK\x03\x04").is_err());
    }
}
