use super::*;

const GOOD: &str = include_str!("testdata/good.yml");
const MISTAKES: &str = include_str!("testdata/mistakes.txt");

fn names() -> BTreeSet<String> {
    ["appspec.yml", "scripts/start.sh", "scripts/Stop.sh", "www/index.html"].map(str::to_owned).into()
}

fn said(text: &str) -> Result<AppSpec, String> {
    parse(text.as_bytes(), &names(), "shop/appspec.yml").map_err(|problems| problems.to_string())
}

#[test]
fn a_good_spec_is_read() {
    let spec = said(GOOD).unwrap();
    assert_eq!(spec.os, Os::Linux);
    let hooks: Vec<_> =
        spec.hooks.iter().map(|hook| (hook.event.as_str(), hook.location.as_str(), hook.timeout)).collect();
    assert_eq!(
        hooks,
        [
            ("ApplicationStop", "scripts/Stop.sh", None),
            ("ApplicationStart", "scripts/start.sh", Some(300)),
            ("ApplicationStart", "scripts/Stop.sh", Some(60)),
        ]
    );
    assert_eq!(
        ["ApplicationStop", "ApplicationStart", "ValidateService"].map(|event| spec.longest(event)),
        [3600, 360, 0]
    );
    assert!(said("version: 0.0\nos: windows\nhooks:\nfiles:\nunknown: 1\n").is_ok());
}

#[test]
fn each_mistake_alone_is_one_problem() {
    let mut actual = String::new();
    for case in MISTAKES.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let mut lines = case.trim_start_matches('\n').lines();
        let was = lines.next().and_then(|line| line.strip_prefix("- ")).expect(case);
        let is = lines.next().and_then(|line| line.strip_prefix("+ ")).expect(case);
        assert!(GOOD.contains(was), "{was} is not in the AppSpec");
        let text = GOOD.replacen(was, &is.replace("\\n", "\n"), 1);
        let problem = said(&text).expect_err(is);
        assert_eq!(problem.matches("shop/appspec.yml").count(), 1, "{problem}");
        actual += &format!("- {was}\n+ {is}\n{problem}\n\n");
    }
    assert!(actual.trim_end() == MISTAKES.trim_end(), "the table should read:\n{actual}");
}

#[test]
fn what_is_no_spec_at_all() {
    for (bytes, expected) in [
        (&b""[..], "shop/appspec.yml: empty"),
        (b"\xef\xbb\xbfversion: 0.0\n", "shop/appspec.yml: begins with a byte order mark [encoding]"),
        (b"os: \xff\n", "shop/appspec.yml: not UTF-8 [encoding]"),
        (b"version: 0.0\nos: linux\nos: linux\n", "shop/appspec.yml:3:1: the key `os` stands here a second time"),
    ] {
        let problems = parse(bytes, &names(), "shop/appspec.yml").unwrap_err().to_string();
        assert_eq!(problems.lines().next(), Some(expected));
    }
    assert_eq!(said("[]").unwrap_err().matches("shop/appspec.yml").count(), 3);
}

proptest::proptest! {
    #[test]
    fn random_specs_never_panic(text in "((version|os|hooks|files|permissions|mode|timeout|location|- |  |\n|: |0|x|\\[|\\]){0,40})") {
        let _ = said(&text);
    }
}
