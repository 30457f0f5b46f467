//! The open connections of one worker.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

use super::connection::Connection;

/// The connections that can be drained.
#[derive(Default)]
pub(crate) struct Connections {
    open: RefCell<BTreeMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
    /// Woken when the last connection is gone.
    empty: Notify,
}

/// Keeps a connection in the list.
pub(crate) struct Registered {
    connections: Rc<Connections>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.connections.open.borrow_mut();
        open.remove(&self.number);
        if open.is_empty() {
            self.connections.empty.notify_one();
        }
    }
}

impl Connections {
    /// Puts a connection in the list, as long as the returned value lives.
    pub(crate) fn register(self: &Rc<Self>, connection: &Rc<Connection>) -> Registered {
        let number = self.next.get();
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, connection.clone());
        Registered { connections: self.clone(), number }
    }

    /// Does something with those of the connections that are meant.
    pub(crate) fn each(&self, which: impl Fn(&Connection) -> bool, act: impl Fn(&Connection)) {
        for connection in self.open.borrow().values() {
            if which(connection) {
                act(connection);
            }
        }
    }

    /// Waits until there is none.
    pub(crate) async fn gone(&self) {
        while !self.open.borrow().is_empty() {
            self.empty.notified().await;
        }
    }
}
