//! `gather`: rows picked by index.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// x[R, …], rows u32[N] → y[N, …].
#[derive(Debug)]
struct Gather;

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, rows]
                if x.dtype == DType::F32
                    && !x.is_empty()
                    && !x.shape.is_empty()
                    && rows.dtype == DType::U32
                    && rows.shape.len() == 1
                    && !rows.is_empty() =>
            {
                let mut shape = x.shape.clone();
                shape[0] = rows.len();
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => Err(shape_error(
                "gather",
                inputs,
                "f32[R, …] and u32[N], not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let gradient = |g: &Var| {
            let sources = cx.inputs[0].shape()[0];
            Var::record1(GatherGradient { sources }, &[g, &cx.inputs[1]])
        };
        Ok(vec![cx.grads[0].as_ref().map(gradient).transpose()?, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, rows, y) = (cx.input(0), cx.input(1), cx.output(0));
        let sources = x.shape()[0];
        let width = x.tensor.len() / sources;
        let (dispatch, lane) = cx.in_fours("gather/forward", &[width]);
        dispatch
            .bind_part("x", &x, y.tensor.len())
            .bind("rows", &rows)
            .bind("y", &y)
            .u32("width", width / lane)
            .u32("sources", sources)
            .lots(y.tensor.len() / lane)
    }
}

/// Inputs: g[N, …], rows u32[N]. Output: [sources, …].
#[derive(Debug)]
struct GatherGradient {
    sources: usize,
}

impl Op for GatherGradient {
    fn name(&self) -> &'static str {
        "gather_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let mut shape = inputs[0].shape.clone();
        shape[0] = self.sources;
        Ok(vec![Tensor::f32(&shape)])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let gathered = cx.grads[0].as_ref().map(|g| g.gather(&cx.inputs[1]));
        Ok(vec![gathered.transpose()?, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, rows, dx) = (cx.input(0), cx.input(1), cx.output(0));
        let gathered = rows.tensor.len();
        let links = cx.workspace(Tensor::u32(&[self.sources + gathered]));
        let (dispatch, _) = cx.in_fours("gather/links", &[gathered]);
        dispatch
            .bind("rows", &rows)
            .bind("links", &links)
            .u32("sources", self.sources)
            .u32("gathered", gathered)
            .linear(self.sources + gathered)?;
        let width = g.tensor.len() / gathered;
        let (dispatch, lane) = cx.in_fours("gather/gradient", &[width]);
        dispatch
            .bind("g", &g)
            .bind("links", &links)
            .bind("dx", &dx)
            .u32("count", dx.tensor.len() / lane)
            .u32("width", width / lane)
            .u32("sources", self.sources)
            .u32("gathered", gathered)
            .linear(dx.tensor.len() / lane)
    }
}

/// Inputs: pages f32[Rₚ, …], then rows u32[N], counted through all pages → y[N, …].
#[derive(Debug)]
struct GatherPages;

impl Op for GatherPages {
    fn name(&self) -> &'static str {
        "gather_pages"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let wrong = || {
            shape_error(
                "gather_pages",
                inputs,
                "pages f32[R, …] alike but for R, and u32[N]",
            )
        };
        let Some((rows, pages)) = inputs.split_last() else {
            return Err(wrong());
        };
        let Some(first) = pages.first() else {
            return Err(wrong());
        };
        let y = Gather.infer(&[*first, *rows])?;
        let alike = |page: &&Tensor| {
            page.dtype == DType::F32
                && !page.is_empty()
                && page.shape.len() == first.shape.len()
                && page.shape[1..] == first.shape[1..]
        };
        match pages.iter().all(alike) {
            true => Ok(y),
            false => Err(wrong()),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let mut pages: Vec<_> = (0..).map_while(|i| cx.try_input(i)).collect();
        let Some(rows) = pages.pop() else {
            return Ok(());
        };
        let y = cx.output(0);
        let width = y.tensor.len() / rows.tensor.len();
        let total: usize = pages.iter().map(|page| page.shape()[0]).sum();
        // Rows lie evenly among the pages.
        let read = y.tensor.len() / pages.len();
        let mut first = 0;
        for page in &pages {
            let here = page.shape()[0];
            let (dispatch, lane) = cx.in_fours("gather/forward.paged", &[width]);
            dispatch
                .bind_part("x", page, read)
                .bind("rows", &rows)
                .bind_part("y", &y, read)
                .u32("width", width / lane)
                .u32("sources", total)
                .u32("first", first)
                .u32("here", here)
                .lots(y.tensor.len() / lane)?;
            first += here;
        }
        Ok(())
    }
}

impl Var {
    /// Rows of f32\[R, …\] by index: `rows` is u32\[N\], the result f32\[N, …\].
    /// An index beyond R − 1 counts as R − 1. The gradient of a row is the sum over all
    /// places that it was gathered to, in their order.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes or types.
    pub fn gather(&self, rows: &Var) -> Result<Var, TapeError> {
        Var::record1(Gather, &[self, rows])
    }

    /// [`Var::gather`] from a table that lies in several parts, f32\[Rₚ, …\] each: `rows`
    /// count through all of them. There is no gradient.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes or types, or no part.
    pub fn gather_pages(pages: &[Var], rows: &Var) -> Result<Var, TapeError> {
        match pages {
            [page] => page.gather(rows),
            _ => {
                let inputs: Vec<&Var> = pages.iter().chain([rows]).collect();
                Var::record1(GatherPages, &inputs)
            }
        }
    }
}
