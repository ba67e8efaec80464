//! `permute`: dimensions in another order.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Dimensions that `permute/permute` knows, after neighbours that stay so are merged.
const RANK: usize = 6;
/// What the shader calls their sizes (the first needs none) and strides.
const SIZES: [&str; RANK] = ["", "size_1", "size_2", "size_3", "size_4", "size_5"];
const STRIDES: [&str; RANK] = [
    "stride_0", "stride_1", "stride_2", "stride_3", "stride_4", "stride_5",
];

/// Dimension i of the result is dimension `order[i]` of x.
#[derive(Debug)]
struct Permute {
    order: Vec<usize>,
}

/// Sizes of the result's dimensions and their strides in x, neighbours merged where
/// they lie beside each other in x too.
fn merged(shape: &[usize], order: &[usize]) -> Vec<(usize, usize)> {
    let stride = |axis: usize| -> usize { shape[axis + 1..].iter().product() };
    let mut dimensions: Vec<(usize, usize)> = vec![];
    for &axis in order.iter().filter(|&&axis| shape[axis] > 1) {
        match dimensions.last_mut() {
            Some((size, outer)) if *outer == shape[axis] * stride(axis) => {
                (*size, *outer) = (*size * shape[axis], stride(axis));
            }
            _ => dimensions.push((shape[axis], stride(axis))),
        }
    }
    dimensions
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let [x] = inputs else {
            return Err(shape_error("permute", inputs, "one tensor"));
        };
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        let order = &self.order;
        if x.dtype != DType::F32
            || x.is_empty()
            || sorted.iter().ne(&Vec::from_iter(0..x.shape.len()))
        {
            let expected = format!("an f32 whose dimensions {order:?} names, each once");
            return Err(shape_error("permute", inputs, expected));
        }
        if merged(&x.shape, order).len() > RANK {
            let expected = format!("at most {RANK} dimensions that {order:?} takes apart");
            return Err(shape_error("permute", inputs, expected));
        }
        let shape: Vec<_> = order.iter().map(|&axis| x.shape[axis]).collect();
        Ok(vec![Tensor::f32(&shape)])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut inverse = vec![0; self.order.len()];
        for (i, &axis) in self.order.iter().enumerate() {
            inverse[axis] = i;
        }
        let back = |g: &Var| g.permute(&inverse);
        Ok(vec![cx.grads[0].as_ref().map(back).transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let mut dimensions = merged(x.shape(), &self.order);
        // What must be whole fours for them to stay together: the last dimension, if it
        // is x's last too, and the way to each of the others.
        let mut sizes: Vec<usize> = dimensions.iter().map(|&(_, stride)| stride).collect();
        if let (Some(last), Some(&(size, 1))) = (sizes.last_mut(), dimensions.last()) {
            *last = size;
        }
        // All of one element has no dimension.
        sizes.push(y.tensor.len());
        let (dispatch, lane) = cx.in_fours("permute/permute", &sizes);
        if let Some(((size, _), others)) = dimensions.split_last_mut() {
            *size /= lane;
            others.iter_mut().for_each(|(_, stride)| *stride /= lane);
        }
        let mut dispatch = dispatch.bind("x", &x).bind("y", &y);
        // Missing ones come first.
        let missing = RANK - dimensions.len();
        for i in 0..RANK {
            let (size, stride) = match i.checked_sub(missing) {
                Some(i) => dimensions[i],
                None => (1, 0),
            };
            if i > 0 {
                dispatch = dispatch.u32(SIZES[i], size);
            }
            dispatch = dispatch.u32(STRIDES[i], stride);
        }
        dispatch.lots(y.tensor.len() / lane)
    }
}

impl Var {
    /// The same elements with the dimensions in another order: dimension i of the result
    /// is dimension `order[i]` of this f32 tensor. Patches of images f32\[B, C, H, W\],
    /// for one, are `reshape([B, C, H/p, p, W/p, p])` and `permute([0, 2, 4, 1, 3, 5])`.
    ///
    /// # Errors
    /// [`TapeError::Shape`] where `order` is not an order of the dimensions, or takes
    /// more than six apart.
    pub fn permute(&self, order: &[usize]) -> Result<Var, TapeError> {
        let order = order.to_vec();
        Var::record1(Permute { order }, &[self])
    }
}
