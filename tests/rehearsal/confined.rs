//! What hooks do to their host, and that they cannot do it to this machine.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::hosts::{HEAD, Stand, running};

/// A directory of this machine that a host sees, too.
fn outside(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(directory.join("precious")).unwrap();
    fs::write(directory.join("precious/file"), "kept").unwrap();
    directory
}

#[tokio::test]
async fn what_hooks_write_delete_and_kill_is_their_hosts_own() {
    let stand = Stand::new();
    let outside = outside("outside");
    let mut bystander = Command::new("/bin/sleep").arg("300.72").stdin(Stdio::null()).spawn().unwrap();
    let hook = format!(
        "#!/bin/sh\n\
         cat {0}/precious/file > /srv/seen\n\
         echo x > {0}/written; rm -rf {0}/precious; ls {0} > /srv/left\n\
         kill -9 {1} 2>> /srv/kill; pkill -9 -f 300.72; killall sleep; kill -9 -1; true\n",
        outside.display(),
        bystander.id()
    );
    let after = "#!/bin/sh\nset -e\nrm -rf /var/www/*\nsystemctl stop nginx || [ $? = 5 ]\necho listen > /etc/x.conf\n\
                 mkdir -p /opt/app /usr/local/bin /etc/nginx/conf.d\necho a > /opt/app/a\necho b > /etc/nginx/conf.d/app.conf\n\
                 echo '127.0.0.1 me' >> /etc/hosts\nid -u > /srv/user\nhostname > /srv/name\n";
    let appspec =
        format!("{HEAD}hooks: {{BeforeInstall: [{{location: hook.sh}}], AfterInstall: [{{location: after.sh}}]}}");
    let hosts = fs::read_to_string("/etc/hosts").unwrap();
    let files = [("appspec.yml", appspec.as_str()), ("hook.sh", &hook), ("after.sh", "#!/bin/sh\n")];
    let (_, trouble) = stand.install(&files, "DISALLOW").await;
    assert_eq!(trouble, None);
    assert_eq!((stand.read("srv/seen").as_str(), stand.read("srv/left").as_str()), ("kept", "written\n"));
    assert_eq!(fs::read_to_string(outside.join("precious/file")).unwrap(), "kept");
    assert!(!outside.join("written").exists() && bystander.try_wait().unwrap().is_none());

    let files = [("appspec.yml", appspec.as_str()), ("hook.sh", "#!/bin/sh\n"), ("after.sh", after)];
    assert_eq!(stand.install(&files, "DISALLOW").await.1, None);
    assert_eq!((stand.read("etc/x.conf"), stand.read("opt/app/a")), ("listen\n".to_owned(), "a\n".to_owned()));
    assert_eq!(stand.read("etc/nginx/conf.d/app.conf"), "b\n");
    assert_eq!(stand.read("etc/hosts"), format!("{hosts}127.0.0.1 me\n"));
    assert_eq!((stand.read("srv/user").as_str(), stand.read("srv/name").starts_with("ip-127-")), ("0\n", true));
    for path in ["/etc/x.conf", "/opt/app", "/etc/nginx/conf.d/app.conf", "/srv/user"] {
        assert!(!fs::exists(path).unwrap(), "{path}");
    }
    assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), hosts);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    fs::remove_dir_all(&outside).unwrap();
    stand.close().await;
}

#[tokio::test]
async fn units_are_started_and_stopped() {
    let stand = Stand::new();
    let unit = "[Unit]\nDescription=A shop\n[Service]\nEnvironment=FOR=300.73 \"NAME=a b\"\nWorkingDirectory=/srv\n\
                ExecStartPre=/bin/sh -c 'echo \"$NAME\" > pre'\nExecStart=/bin/sleep ${FOR}\n[Install]\nWantedBy=multi-user.target\n";
    let start = "#!/bin/sh\nset -e\ncp \"$(dirname \"$0\")/shop.service\" /etc/systemd/system/\nsystemctl daemon-reload\n\
                 systemctl enable --now shop\nsystemctl is-active shop > /srv/said\nsudo systemctl restart shop.service\n\
                 service shop status >> /srv/said\n";
    let stop = "#!/bin/sh\nsystemctl stop shop\nsystemctl is-active shop >> /srv/said\necho $? >> /srv/said\n\
                systemctl start nothing 2>> /srv/said\necho $? >> /srv/said\n";
    let hook = |script: &str| format!("{HEAD}hooks: {{ApplicationStart: [{{location: {script}}}]}}");
    let files = |spec, script| [("appspec.yml", spec), ("x.sh", script), ("shop.service", unit)];
    let spec = hook("x.sh");
    assert_eq!(stand.install(&files(&spec, start), "DISALLOW").await.1, None);
    assert_eq!((running("300.73"), stand.read("srv/pre").as_str()), (1, "a b\n"));
    assert_eq!(stand.install(&files(&spec, stop), "DISALLOW").await.1, None);
    assert_eq!(running("300.73"), 0);
    let said = stand.read("srv/said");
    let said: Vec<&str> = said.lines().filter(|line| !line.contains("Main PID")).map(str::trim).collect();
    let expected = [
        "active",
        "* shop.service - A shop",
        "Active: active (running)",
        "inactive",
        "3",
        "Failed to start nothing.service: Unit nothing.service not found.",
        "5",
    ];
    assert_eq!(said, expected);
    stand.close().await;
}
