//! From a request to its route: the first route of the virtual host whose tests all hold.

mod request_test;
mod route_list;

pub(crate) use request_test::header_passes;
pub(crate) use route_list::RouteList;
