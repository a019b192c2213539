//! A realm whose files lie in an object store.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::{Person, Server};
use storage_objects::testing::Bucket;

/// Of a file in several parts of an object.
const LEN: usize = 20 << 20;

fn start(folder: &Path, bucket: &Bucket, listen: &str) -> Result<Server> {
    let s3 = bucket.s3();
    let key = folder.join("key");
    fs::write(
        &key,
        format!("{}\n{}\n", s3.credentials.key_id, s3.credentials.secret),
    )?;
    let key = key.to_str().context("a path in UTF-8")?;
    let arguments = [
        "--s3-endpoint",
        &s3.endpoint,
        "--s3-bucket",
        &s3.bucket,
        "--s3-prefix",
        &s3.prefix,
    ];
    Server::start_on(
        folder,
        listen,
        &[&arguments[..], &["--s3-key-file", key]].concat(),
    )
}

/// Files of the realm that hold blobs.
fn on_disk(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.join("data").join("store").join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == "boot" => {}
                false => bytes += entry.metadata()?.len(),
            }
        }
    }
    Ok(bytes)
}

#[test]
fn a_file_lies_in_the_bucket_and_is_saved_from_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bucket = Bucket::new();
    let server = start(folder.path(), &bucket, "127.0.0.1:0")?;
    let anna = Person::register(&server, folder.path(), "anna")?;
    let boris = Person::register(&server, folder.path(), "boris")?;
    let (file, saved) = (folder.path().join("film"), folder.path().join("saved"));
    let bytes: Vec<u8> = (0..u32::try_from(LEN)? / 4).flat_map(u32::to_le_bytes).collect();
    fs::write(&file, &bytes)?;
    let file = file.to_str().context("a path in UTF-8")?;

    bucket.refuse_writes(true);
    let refused = anna.run(&["--timeout", "10", "attach", "boris", file]);
    assert!(refused.is_err(), "the bucket took nothing");
    assert!(bucket.objects().is_empty());
    bucket.refuse_writes(false);
    // What was sent is on the disk, and goes on from there in another life of the server.
    let listen = server.url().trim_start_matches("http://").to_owned();
    drop(server);
    let server = start(folder.path(), &bucket, &listen)?;
    anna.run(&["attach", "boris", file])?;
    let mut objects = bucket.objects();
    objects.retain(|size| *size > LEN as u64);
    // The others are backups.
    assert_eq!((objects.len(), on_disk(folder.path())?), (1, 0));

    let lines = boris.run(&["inbox"])?;
    let files: Vec<_> = lines.iter().filter(|line| line["event"] == "file").collect();
    assert_eq!(files.len(), 1, "{lines:?}");
    let message = files[0]["message_id"].as_str().context("a file has an id")?;
    boris.run(&[
        "save",
        "anna",
        message,
        saved.to_str().context("a path in UTF-8")?,
    ])?;
    assert!(fs::read(&saved)? == bytes, "another file was saved");
    drop(server);
    Ok(())
}
