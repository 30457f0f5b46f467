//! Connections that have switched to another protocol: bytes in both directions until one end closes.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::moves::Moves;
use super::record::Record;
use super::watched_io::WatchedIo;
use crate::stats::ResponseFlags;
use crate::upstream::Lease;

/// How often a tunnel is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Carries bytes between client and upstream in a task of its own. The request ends, in statistics and log, with it.
pub(crate) fn carry(client: OnUpgrade, upstream: OnUpgrade, lease: Lease, mut record: Box<Record>) {
    tokio::task::spawn_local(async move {
        // Keeps the endpoint's count of requests as long as the connection is used.
        let _lease = lease;
        let connection = record.connection();
        let moves = Arc::new(Moves::default());
        let carried = async {
            let (client, upstream) = (client.await.ok()?, upstream.await.ok()?);
            let mut client = WatchedIo::new(TokioIo::new(client), moves.clone());
            let mut upstream = TokioIo::new(upstream);
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok()
        };
        tokio::select! {
            carried = carried => match carried {
                Some((received, sent)) => {
                    record.watch.received.set(received);
                    record.sent = sent;
                }
                None => record.flags.add(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION),
            },
            () = connection.killed() => {}
            () = silent(&record, &moves) => return,
        }
        record.complete = true;
    });
}

/// Returns when nothing has moved for too long.
async fn silent(record: &Record, moves: &Moves) {
    let mut seen = 0;
    while !record.watch.is_expired() {
        let now = moves.all();
        if now != seen {
            seen = now;
            record.touch();
        }
        tokio::time::sleep(LOOK).await;
    }
}
