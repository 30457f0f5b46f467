//! How long changes are given to settle, and what they leave to a walk.

use notify::Event;
use notify::event::{DataChange, Flag, RemoveKind, RenameMode};

use super::*;

const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
const RENAMED: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));

fn told(events: &[(EventKind, &str)]) -> Told {
    let mut told = Told::default();
    for (kind, path) in events {
        told.take(Wake::Event(Event::new(*kind).add_path(PathBuf::from(path))));
    }
    told
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    assert_eq!(told(&[(WRITTEN, "/a")]).quiet(), LONGEST_QUIET);
    assert_eq!(told(&[(WRITTEN, "/a"), (WRITTEN, "/b"), (CLOSED, "/a")]).quiet(), LONGEST_QUIET);
    assert_eq!(told(&[(WRITTEN, "/a"), (CLOSED, "/a")]).quiet(), QUIET);
    let created = EventKind::Create(CreateKind::File);
    let saved = [(created, "/a~"), (WRITTEN, "/a~"), (CLOSED, "/a~"), (RENAMED, "/a")];
    assert_eq!(told(&saved).quiet(), QUIET);
}

#[test]
fn the_quiet_grows_with_a_storm_and_has_an_end() {
    let quiet = |events| told(&vec![(RENAMED, "/a"); events]).quiet();
    let waits: Vec<Duration> = [1, 40, 100, 10_000].map(quiet).into();
    assert!(waits.is_sorted() && waits[0] < waits[1] && waits[3] == LONGEST_QUIET, "{waits:?}");
}

#[test]
fn what_is_not_told_is_left_to_a_walk() {
    let paths = |events: &[(EventKind, &str)]| match told(events).hint() {
        Hint::Paths(paths) => Some(paths.len()),
        Hint::Anything => None,
    };
    assert_eq!(paths(&[(RENAMED, "/a"), (EventKind::Remove(RemoveKind::File), "/b")]), Some(2));
    assert_eq!(paths(&[(CLOSED, "/a"), (EventKind::Create(CreateKind::Folder), "/b")]), None);
    let many: Vec<String> = (0..=MANY).map(|n| format!("/{n}")).collect();
    assert_eq!(paths(&many.iter().map(|path| (RENAMED, path.as_str())).collect::<Vec<_>>()), None);
    for event in [Event::new(EventKind::Other), Event::new(EventKind::Other).set_flag(Flag::Rescan)] {
        let mut told = Told::default();
        told.take(Wake::Event(event));
        assert_eq!(told.hint(), Hint::Anything);
    }
}
