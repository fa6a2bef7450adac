//! No two files of the core import each other. Declarations of modules do not count; code of unit tests does not either.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Module = Vec<String>;

/// The source files below `folder`, by the module that each defines.
fn files(folder: &Path, module: &Module, found: &mut BTreeMap<Module, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner: Module = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            files(&path, &inner, found);
        } else if name == "lib" || name == "mod" {
            found.insert(module.clone(), path);
        } else if name != "tests" {
            found.insert(inner, path);
        }
    }
}

/// The code of a file without comments, strings and unit tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// Every path in `text` that begins with `root`, braces expanded: `super::a::{b::C, d}` gives `a::b::C` and `a::d`.
fn paths(text: &str, root: &str) -> Vec<Module> {
    let begins = |at: &usize| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':'))
    };
    let starts = text.match_indices(root).map(|(at, _)| at).filter(begins);
    starts.flat_map(|at| expand(&text[at + root.len()..], &[]).0).collect()
}

/// The paths that `text` begins with, below `prefix`, and how many bytes they take.
fn expand(text: &str, prefix: &[String]) -> (Vec<Module>, usize) {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if !name.is_empty() {
        let path: Module = prefix.iter().cloned().chain([name.clone()]).collect();
        return match text[name.len()..].strip_prefix("::") {
            Some(rest) => {
                let (inner, length) = expand(rest, &path);
                if inner.is_empty() { (vec![path], name.len()) } else { (inner, name.len() + 2 + length) }
            }
            None => (vec![path], name.len()),
        };
    }
    let Some(mut rest) = text.strip_prefix('{') else { return (Vec::new(), 0) };
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() || rest.starts_with('}') {
            return (found, text.len() - rest.len() + 1);
        }
        let (inner, length) = expand(rest, prefix);
        found.extend(inner);
        rest = &rest[length.max(1)..];
    }
}

/// The modules whose files a file of `module` imports.
fn imports(module: &Module, is_root: bool, text: &str, files: &BTreeMap<Module, PathBuf>) -> BTreeSet<Module> {
    let parent: Module = module[..module.len().saturating_sub(1)].to_vec();
    let mut absolute = paths(text, "crate::");
    absolute.extend(paths(text, "super::").into_iter().map(|path| [parent.clone(), path].concat()));
    absolute.extend(paths(text, "self::").into_iter().map(|path| [module.clone(), path].concat()));
    if is_root {
        // A file with modules of its own may name them without a prefix: `use pump::Pump`.
        let own = files.keys().filter(|other| other.len() == module.len() + 1 && other.starts_with(module));
        for child in own.filter_map(|other| other.last()) {
            let inner = paths(text, &format!("{child}::"));
            absolute.extend(inner.into_iter().map(|path| [module.clone(), vec![child.clone()], path].concat()));
        }
    }
    let file_of =
        |path: &Module| (0..=path.len()).rev().map(|n| path[..n].to_vec()).find(|path| files.contains_key(path));
    absolute.iter().filter_map(file_of).filter(|target| target != module).collect()
}

/// What each file imports.
fn arrows(source: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut found = BTreeMap::new();
    files(source, &Vec::new(), &mut found);
    let is_root = |path: &Path| matches!(path.file_stem().and_then(|name| name.to_str()), Some("lib" | "mod"));
    found.iter().map(|(module, path)| (module.clone(), imports(module, is_root(path), &code(path), &found))).collect()
}

#[test]
fn no_two_files_of_the_core_import_each_other() {
    let arrows = arrows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 200, "the imports are found");
    let name = |module: &Module| if module.is_empty() { "lib".into() } else { module.join("::") };
    let mutual: Vec<String> = arrows
        .iter()
        .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
        .filter(|(from, to)| from < to && arrows[*to].contains(*from))
        .map(|(from, to)| format!("{} and {}", name(from), name(to)))
        .collect();
    assert!(mutual.is_empty(), "these files import each other: {mutual:#?}");
}

#[test]
fn paths_are_found_in_braces_and_in_expressions() {
    let text = "use super::{a::B, c::{D, e::F}};\nlet x = super::g::H::new($super::no::I);";
    let found: Vec<String> = paths(text, "super::").iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::B", "c::D", "c::e::F", "g::H::new"]);
}
