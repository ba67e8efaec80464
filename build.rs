//! Expands the WGSL files under `shaders/` into their permutations, parses and
//! validates each with naga, and writes what the library needs to know of them
//! (source, bindings, parameter layout, workgroup size: all reflected) as Rust
//! tables. A broken shader fails `cargo build` with its own file and line.
//!
//! The preprocessor knows these directives, each on a line of its own:
//!
//! - `#include "common/x.wgsl"` (path relative to `shaders/`; once per shader)
//! - `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif`
//! - `#repeat i FROM TO` … `#end`: the lines between, once for each i in
//!   FROM..TO with `$i` replaced. Registers are thus named, never indexed, so no
//!   driver has to unroll.
//!
//! Bounds of `#repeat`, and what stands in `${…}` anywhere, are numbers or permutation
//! constants with `+ - * / %` and parentheses (no spaces), such as `v_${$t*STRIDE+$a}`.
//!
//! `shaders/permutations.txt` names the permutations: `FILE NAME [DEFINE…]`,
//! where `DEFINE` is a flag for `#ifdef` or `CONSTANT=value`, which also
//! becomes a WGSL `const`. A permutation called `-` has no name of its own: it is
//! the file's; a file without a line there has just that one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::exit;

/// One line of expanded source and where it came from.
struct Line {
    text: String,
    file: String,
    number: usize,
}

/// Prints an error in the form that editors recognise, and stops the build.
fn fail(file: &str, line: usize, message: &str) -> ! {
    eprintln!("error: shaders/{file}:{line}: {message}");
    exit(1);
}

struct Expander<'a> {
    root: &'a Path,
    defines: &'a HashMap<String, Option<String>>,
    included: HashSet<String>,
    out: Vec<Line>,
}

impl Expander<'_> {
    fn file(&mut self, name: &str, from: (&str, usize)) {
        if !self.included.insert(name.to_string()) {
            return;
        }
        let Ok(text) = std::fs::read_to_string(self.root.join(name)) else {
            fail(from.0, from.1, &format!("cannot read shaders/{name}"));
        };
        let lines: Vec<(usize, String)> = (text.lines().enumerate())
            .map(|(i, l)| (i + 1, l.to_string()))
            .collect();
        self.block(name, &lines);
    }

    fn block(&mut self, file: &str, lines: &[(usize, String)]) {
        let mut live: Vec<bool> = vec![];
        let mut i = 0;
        while i < lines.len() {
            let (number, text) = (lines[i].0, lines[i].1.as_str());
            let mut words = text.split_whitespace();
            let on = live.iter().all(|&l| l);
            match words.next() {
                Some(directive @ ("#ifdef" | "#ifndef")) => {
                    let Some(name) = words.next() else {
                        fail(file, number, "expected a name");
                    };
                    live.push(self.defines.contains_key(name) == (directive == "#ifdef"));
                }
                Some("#else") => match live.last_mut() {
                    Some(l) => *l = !*l,
                    None => fail(file, number, "#else without #ifdef"),
                },
                Some("#endif") => match live.pop() {
                    Some(_) => {}
                    None => fail(file, number, "#endif without #ifdef"),
                },
                Some("#include") if on => {
                    let name = words.next().unwrap_or_default().trim_matches('"');
                    let name = name.to_string();
                    self.file(&name, (file, number));
                }
                Some("#repeat") => {
                    let end = matching_end(lines, i)
                        .unwrap_or_else(|| fail(file, number, "#repeat without #end"));
                    if on {
                        let variable = words.next().unwrap_or_default();
                        let mut bound = || match words.next().and_then(|w| self.number(w)) {
                            Some(n) => n,
                            None => fail(file, number, "expected: #repeat i FROM TO"),
                        };
                        let (from, to) = (bound(), bound());
                        let placeholder = format!("${variable}");
                        for value in from..to {
                            let body: Vec<_> = lines[i + 1..end]
                                .iter()
                                .map(|(n, l)| (*n, l.replace(&placeholder, &value.to_string())))
                                .collect();
                            self.block(file, &body);
                        }
                    }
                    i = end;
                }
                Some(word) if word.starts_with('#') && on => {
                    fail(file, number, &format!("unknown directive {word}"));
                }
                _ if on => {
                    let text = self.computed(text).unwrap_or_else(|expression| {
                        fail(file, number, &format!("cannot compute ${{{expression}}}"))
                    });
                    self.out.push(Line {
                        text,
                        file: file.to_string(),
                        number,
                    });
                }
                _ => {}
            }
            i += 1;
        }
        if !live.is_empty() {
            fail(
                file,
                lines.last().map_or(0, |l| l.0),
                "#ifdef without #endif",
            );
        }
    }

    /// `text` with every `${…}` computed, or the one that cannot be.
    fn computed(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (expression, after) = after.split_once('}').ok_or(after)?;
            let value = self.number(expression).ok_or(expression)?;
            out += before;
            out += &value.to_string();
            rest = after;
        }
        Ok(out + rest)
    }

    /// Numbers and permutation constants with `+ - * / %` and parentheses.
    fn number(&self, expression: &str) -> Option<u32> {
        // Split at the last operator of the lowest rank outside parentheses.
        let outside = |signs: &[char]| {
            let mut depth = 0;
            expression.char_indices().rev().find(|&(_, c)| {
                depth += (c == ')') as i32 - (c == '(') as i32;
                depth == 0 && signs.contains(&c)
            })
        };
        if let Some((at, sign)) = outside(&['+', '-']).or_else(|| outside(&['*', '/', '%'])) {
            let left = self.number(&expression[..at])?;
            let right = self.number(&expression[at + 1..])?;
            return match sign {
                '+' => left.checked_add(right),
                '-' => left.checked_sub(right),
                '*' => left.checked_mul(right),
                '/' => left.checked_div(right),
                _ => left.checked_rem(right),
            };
        }
        if let Some(inner) = expression.strip_prefix('(') {
            return self.number(inner.strip_suffix(')')?);
        }
        let word = match self.defines.get(expression) {
            Some(Some(value)) => value.as_str(),
            _ => expression,
        };
        word.trim_end_matches('u').parse().ok()
    }
}

/// The `#end` that closes the `#repeat` at `start`.
fn matching_end(lines: &[(usize, String)], start: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, (_, line)) in lines.iter().enumerate().skip(start) {
        match line.split_whitespace().next() {
            Some("#repeat") => depth += 1,
            Some("#end") => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

fn wgsl_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .unwrap_or_else(|e| fail("", 0, &format!("cannot list {}: {e}", dir.display())))
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            wgsl_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            found.push(path);
        }
    }
}

/// Parses, validates and reflects one permutation into a Rust table row.
fn reflect(
    key: &str,
    lines: &[Line],
    constants: &str,
    [subgroups, f16, cooperative]: [bool; 3],
    source_path: &Path,
) -> String {
    let source: String = lines.iter().map(|l| l.text.clone() + "\n").collect();
    let at = |line: u32| match lines.get((line as usize).saturating_sub(1)) {
        Some(l) => (l.file.clone(), l.number),
        None => (key.to_string(), 0),
    };
    let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| {
        let (file, line) = at(e.location(&source).map_or(0, |l| l.line_number));
        fail(
            &file,
            line,
            &format!("[{key}] {}\n{}", e.message(), e.emit_to_string(&source)),
        )
    });
    let mut validator = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::all(),
    );
    validator
        .subgroup_stages(naga::valid::ShaderStages::all())
        .subgroup_operations(naga::valid::SubgroupOperationSet::all());
    if let Err(e) = validator.validate(&module) {
        let (file, line) = at(e.location(&source).map_or(0, |l| l.line_number));
        fail(
            &file,
            line,
            &format!("[{key}] {}", e.emit_to_string(&source)),
        );
    }
    let Some(entry) = module.entry_points.iter().find(|e| e.name == "main") else {
        fail(&lines[0].file, 1, &format!("[{key}] no entry point `main`"));
    };

    let mut bindings = BTreeMap::new();
    let mut params = String::from("None");
    for (_, var) in module.global_variables.iter() {
        let Some(binding) = &var.binding else {
            continue;
        };
        let name = var.name.clone().unwrap_or_default();
        if binding.group != 0 {
            fail(
                &lines[0].file,
                1,
                &format!("[{key}] `{name}` is not in group 0"),
            );
        }
        let kind = match var.space {
            naga::AddressSpace::Uniform => {
                let naga::TypeInner::Struct { members, span } = &module.types[var.ty].inner else {
                    fail(
                        &lines[0].file,
                        1,
                        &format!("[{key}] `{name}` is not a struct"),
                    );
                };
                let mut fields = String::new();
                for member in members {
                    let kind = match module.types[member.ty].inner {
                        naga::TypeInner::Scalar(naga::Scalar::F32) => "F32",
                        naga::TypeInner::Scalar(naga::Scalar::U32) => "U32",
                        naga::TypeInner::Scalar(naga::Scalar::I32) => "I32",
                        _ => fail(
                            &lines[0].file,
                            1,
                            &format!("[{key}] parameters are f32, u32 or i32"),
                        ),
                    };
                    let field = member.name.clone().unwrap_or_default();
                    write!(
                        fields,
                        "Field {{ name: {field:?}, offset: {}, kind: FieldKind::{kind} }}, ",
                        member.offset
                    )
                    .unwrap();
                }
                params = format!("Some(ParamsInfo {{ size: {span}, fields: &[{fields}] }})");
                "Uniform"
            }
            naga::AddressSpace::Storage { access } => {
                if access.contains(naga::StorageAccess::STORE) {
                    "ReadWrite"
                } else {
                    "Read"
                }
            }
            naga::AddressSpace::Handle => "Texture",
            _ => fail(
                &lines[0].file,
                1,
                &format!("[{key}] `{name}`: unexpected address space"),
            ),
        };
        bindings.insert(
            binding.binding,
            format!(
                "Binding {{ name: {name:?}, index: {}, kind: BindingKind::{kind} }}, ",
                binding.binding
            ),
        );
    }
    let bindings: String = bindings.into_values().collect();
    std::fs::write(source_path, &source).unwrap();
    format!(
        "    ShaderInfo {{ key: {key:?}, source: include_str!({:?}), workgroup: {:?}, params: {params}, bindings: &[{bindings}], constants: &[{constants}], subgroups: {subgroups}, f16: {f16}, cooperative: {cooperative} }},\n",
        source_path.display().to_string(),
        entry.workgroup_size,
    )
}

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("shaders");
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap());
    println!("cargo::rerun-if-changed=shaders");
    println!("cargo::rerun-if-changed=build.rs");

    let mut permutations: BTreeMap<String, Vec<(String, Vec<String>)>> = BTreeMap::new();
    let list = std::fs::read_to_string(root.join("permutations.txt"))
        .unwrap_or_else(|e| fail("permutations.txt", 0, &e.to_string()));
    for (i, line) in list.lines().enumerate() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let Some(file) = words.next() else { continue };
        let Some(name) = words.next() else {
            fail("permutations.txt", i + 1, "expected: FILE NAME [DEFINE…]");
        };
        if !root.join(file).is_file() {
            fail(
                "permutations.txt",
                i + 1,
                &format!("no such file: shaders/{file}"),
            );
        }
        let defines = words.map(str::to_string).collect();
        permutations
            .entry(file.to_string())
            .or_default()
            .push((name.to_string(), defines));
    }

    let mut files = vec![];
    wgsl_files(&root, &mut files);
    let mut table = String::from("pub static SHADERS: &[ShaderInfo] = &[\n");
    for path in files {
        let relative = path.strip_prefix(&root).unwrap();
        let file = relative.to_string_lossy().replace('\\', "/");
        if file.starts_with("common/") {
            continue;
        }
        let stem = file.trim_end_matches(".wgsl").to_string();
        let unnamed = vec![(String::new(), vec![])];
        for (name, defines) in permutations.get(&file).unwrap_or(&unnamed) {
            let key = if name.is_empty() || name == "-" {
                stem.clone()
            } else {
                format!("{stem}.{name}")
            };
            let defines: HashMap<String, Option<String>> = defines
                .iter()
                .map(|d| match d.split_once('=') {
                    Some((k, v)) => (k.to_string(), Some(v.to_string())),
                    None => (d.clone(), None),
                })
                .collect();
            let mut expander = Expander {
                root: &root,
                defines: &defines,
                included: HashSet::new(),
                out: vec![],
            };
            let mut constants: Vec<_> = defines
                .iter()
                .filter_map(|(k, v)| Some((k, v.as_ref()?)))
                .collect();
            constants.sort();
            let numbers: String = (constants.iter())
                .filter_map(|(k, v)| Some(format!("({k:?}, {}), ", expander.number(v)?)))
                .collect();
            for (k, v) in constants {
                expander.out.push(Line {
                    text: format!("const {k} = {v};"),
                    file: "permutations.txt".into(),
                    number: 1,
                });
            }
            expander.file(&file, ("permutations.txt", 1));
            // Directives for the compiler come first in WGSL, constants or not.
            (expander.out).sort_by_key(|line| !line.text.starts_with("enable "));
            let source_path = out.join(format!("{}.wgsl", key.replace('/', "__")));
            let needs = ["SUBGROUP", "F16", "COOPERATIVE"].map(|flag| defines.contains_key(flag));
            table += &reflect(&key, &expander.out, &numbers, needs, &source_path);
        }
    }
    table += "];\n";
    std::fs::write(out.join("shaders.rs"), table).unwrap();
}
