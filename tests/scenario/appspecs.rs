//! What shipit says about AppSpecs, beside what the sandbox's agent says, which was written without a look at it. The
//! shapes are those that people write: each line one that was met somewhere, made small.

use sandbox::codedeploy::events::possible;
use sandbox::hosts::agent::appspec::AppSpec;
use shipit::artifact;
use shipit::model::pipeline::{Agents, Artifact};

/// What follows `version: 0.0` and `os: linux`; a shape that has its own begins with `=`.
const TAKEN: &[&str] = &[
    "",
    "hooks:\n",
    "files:\npermissions:\nhooks: {}\n",
    "branch_config:\n    wip\\/.*: ~\n    main:\n        deploymentGroupName: web\n",
    "files:\n  - source:  /\n    destination: /srv/app\n    overwrite: yes\n",
    "files:\n- source: build/\n  destination: /srv/app/\n- source: /a.service\n  destination: /lib/systemd/system\n",
    "file_exists_behavior: OVERWRITE\nfiles: [{source: ., destination: /srv/app}]\n",
    "file_exists_behavior: RETAIN\n",
    "permissions:\n  - object: /\n    pattern: \"**\"\n    owner: ubuntu\n    group: ubuntu\n",
    "files:\n  - source: /\n    destination: /srv\npermissions:\n  - object: /srv\n    mode: 644\n    type:\n      - file\n  - object: /srv\n    mode: 2770\n    type: [directory]\n",
    "permissions:\n  - object: /srv/app\n    except: [\"*.sh\"]\n    mode: '0755'\n",
    "hooks:\n  BeforeInstall:\n    - location: scripts/a.sh\n      timeout: 300\n      runas: root\n\n  AfterInstall:\n    - location: /scripts/a.sh\n",
    "hooks:\n   ApplicationStop:\n   - location: scripts/a.sh     \n     timeout: 60\n",
    "hooks:\n  ApplicationStart:\n    - {location: \" scripts/a.sh \", sudo: true}\n",
    "hooks:\n  BeforeBlockTraffic: []\n  AfterBlockTraffic:\n    - location: scripts/a.sh\n",
    "hooks:\n  ValidateService:\n    - location: scripts/a.sh\n      timeout:\n      runas: ~\n",
    "hooks:\n  Install:\n    - location: scripts/a.sh\n",
    "hooks:\n  AfterInstall:\n    - location: scripts/a.sh\n      timeout: 3601\n",
    "=version: 0.0 # never change\nos: \"linux\"\n",
    "=---\n'version': 0.0\n\"os\": linux\n...\n",
    "=%YAML 1.1\n---\nversion: 0.0\nos: linux\n",
    "={version: 0.0, os: linux}\n",
    "={\"version\": 0.0, \"os\": \"linux\", \"hooks\": {\"AfterInstall\": [{\"location\": \"scripts/a.sh\", \"timeout\": 5}]}}\n",
    "=version: 0\nos: linux\n",
    NOTHING,
    "=version: 0.0\r\nos: linux\r\nhooks:\r\n  AfterInstall:\r\n    - location: scripts/a.sh\r\n",
];

const REFUSED: &[&str] = &[
    "=",
    "=# nothing\n",
    "=- version: 0.0\n",
    "=version: 0.1\nos: linux\n",
    "=version: 1\nos: linux\n",
    "=version: '0.0'\nos: linux\n",
    "=version: 0.0.0\nos: linux\n",
    "=os: linux\n",
    "=version: 0.0\n",
    "=version: 0.0\nos: Linux\n",
    "=version: 0.0\nos: amazon-linux\n",
    "=version: 0.0\nos: linux\nhooks:\n\t- x\n",
    "=version: 0.0\nResources:\n  - web:\n      Type: AWS::Lambda::Function\nHooks:\n  - BeforeAllowTraffic: check\n",
    "hooks:\n  - BeforeInstall: a\n",
    "hooks:\n  Before Install:\n    - location: scripts/a.sh\n",
    "hooks:\n  BeforeELBAdd:\n    - location: scripts/a.sh\n",
    "hooks:\n  AfterAllowTestTraffic:\n    - location: scripts/a.sh\n",
    "hooks:\n  Start:\n    - location: scripts/a.sh\n",
    "hooks:\n  BeforeInstall:\n    location: scripts/a.sh\n    timeout: 900\n",
    "hooks:\n  BeforeInstall:\n    - timeout: 900\n",
    "hooks:\n  BeforeInstall:\n    - location:\n",
    "hooks:\n  BeforeInstall:\n    - location: scripts/a.sh\n      timeout: 0\n",
    "hooks:\n  BeforeInstall:\n    - location: scripts/a.sh\n      timeout: none\n",
    "files:\n  - source: /\n",
    "files:\n  - destination: /srv\n",
    "files:\n  source: /\n  destination: /srv\n",
    "permissions:\n  - owner: root\n",
    "permissions:\n  - object: /srv\n    mode: 0755\n",
    "permissions:\n  - object: /srv\n    mode: u+x\n",
    "file_exists_behavior: overwrite\n",
    ONE_TYPE,
    LAST_OS,
    SECONDS,
    NO_SCRIPTS,
    QUOTED,
    MARK,
    ALIAS,
];

/// Where the sandbox's agent, which is one of the two, is easier to please or stricter than both.
const AGENT_DIFFERS: &[&str] = &[ONE_TYPE, QUOTED, MARK, ALIAS, NOTHING];
const NOTHING: &str = "hooks:\n  BeforeInstall:\n";
const QUOTED: &str = "hooks:\n  AfterInstall:\n    - location: scripts/a.sh\n      timeout: \"60\"\n";
const MARK: &str = "=\u{feff}version: 0.0\nos: linux\n";
const ALIAS: &str = "=x: &x {timeout: 60, runas: root}\nversion: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - <<: *x\n      location: scripts/a.sh\n";
const LAST_OS: &str = "=os: windows\nos: linux\nversion: 0.0\n";
const SECONDS: &str = "hooks:\n  AfterInstall:\n    - location: scripts/a.sh\n      timeout: 60s\n";
const NO_SCRIPTS: &str = "hooks:\n  AfterInstall: {}\n";
const ONE_TYPE: &str = "permissions:\n  - object: /srv\n    type: file\n";

fn text(shape: &str) -> String {
    shape.strip_prefix('=').map_or_else(|| format!("version: 0.0\nos: linux\n{shape}"), str::to_owned)
}

fn shipit_takes(text: &str) -> bool {
    let directory = std::env::temp_dir().join(format!("shipit-appspecs-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let files = [("appspec.yml", text), ("scripts/a.sh", "#!/bin/sh\n"), ("build/x", ""), ("a.service", "")];
    let extra: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let artifact = Artifact {
        path: ".".to_owned(),
        exclude: Vec::new(),
        include: Vec::new(),
        follow_links: false,
        allow_large: false,
    };
    let report = artifact::check(&artifact, &directory, &extra, Agents::default());
    report.is_fine()
}

fn agent_takes(text: &str) -> bool {
    AppSpec::parse(text).is_ok_and(|appspec| appspec.check_events(&possible()).is_ok())
}

#[test]
fn both_agree_on_what_people_write() {
    let mut wrong = Vec::new();
    for (shapes, is_taken) in [(TAKEN, true), (REFUSED, false)] {
        for shape in shapes {
            let text = text(shape);
            if shipit_takes(&text) != is_taken {
                wrong.push(format!("shipit, taken {is_taken}: {shape:?}"));
            }
            if (agent_takes(&text) != is_taken) != AGENT_DIFFERS.contains(shape) {
                wrong.push(format!("agent, taken {is_taken}: {shape:?} {:?}", AppSpec::parse(&text).err()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
