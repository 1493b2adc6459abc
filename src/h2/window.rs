//! A flow-control window (RFC 9113, section 6.9).

use super::limits::MAX_WINDOW;

/// A flow-control window in bytes: signed, since a change of SETTINGS_INITIAL_WINDOW_SIZE can take it below zero
/// (RFC 9113, section 6.9.2), and checked both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(i32);

/// The window would leave its range: a FLOW_CONTROL_ERROR of the stream or the connection it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowError;

impl Window {
    /// A window of `size` bytes, at most [`MAX_WINDOW`].
    #[must_use]
    pub const fn new(size: u32) -> Self {
        // The cast keeps the value: it is at most 2^31-1.
        Self(if size > MAX_WINDOW {
            i32::MAX
        } else {
            size as i32
        })
    }

    /// Bytes that may be sent now: zero when the window is below zero.
    #[must_use]
    pub fn available(self) -> u32 {
        u32::try_from(self.0).unwrap_or(0)
    }

    /// The window itself, which may be below zero.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Takes `len` bytes of payload out of the window.
    ///
    /// # Errors
    /// When more than what is available is taken: the sender overstepped it.
    pub fn consume(&mut self, len: u32) -> Result<(), WindowError> {
        if len == 0 {
            return Ok(());
        }
        if len > self.available() {
            return Err(WindowError);
        }
        // The cast keeps the value: `len` is at most the window.
        self.0 -= len as i32;
        Ok(())
    }

    /// Adds the increment of a WINDOW_UPDATE, or credit that is given back.
    ///
    /// # Errors
    /// When the window would exceed [`MAX_WINDOW`] (RFC 9113, section 6.9.1).
    pub fn credit(&mut self, increment: u32) -> Result<(), WindowError> {
        let increment = i32::try_from(increment).map_err(|_| WindowError)?;
        self.0 = self.0.checked_add(increment).ok_or(WindowError)?;
        Ok(())
    }

    /// Adjusts the window to a change of SETTINGS_INITIAL_WINDOW_SIZE from `old` to `new` bytes.
    ///
    /// # Errors
    /// When the window would leave its range (RFC 9113, section 6.9.2).
    pub fn adjust(&mut self, old: u32, new: u32) -> Result<(), WindowError> {
        let window = i64::from(self.0) + i64::from(new) - i64::from(old);
        self.0 = i32::try_from(window).map_err(|_| WindowError)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_below_zero_by_settings_and_comes_back() {
        let mut window = Window::new(65_535);
        assert_eq!(window.consume(60_000), Ok(()));
        assert_eq!(window.adjust(65_535, 0), Ok(()));
        assert_eq!((window.get(), window.available()), (-60_000, 0));
        assert_eq!(window.consume(0), Ok(()));
        assert_eq!(window.consume(1), Err(WindowError));
        assert_eq!(window.credit(60_001), Ok(()));
        assert_eq!(window.consume(1), Ok(()));
    }

    #[test]
    fn it_never_exceeds_its_maximum() {
        let mut window = Window::new(u32::MAX);
        assert_eq!(window.available(), MAX_WINDOW);
        assert_eq!(window.credit(0), Ok(()));
        assert_eq!(window.credit(1), Err(WindowError));
        assert_eq!(window.adjust(65_535, 65_536), Err(WindowError));
        assert_eq!(window.available(), MAX_WINDOW);
        assert_eq!(Window::new(0).credit(u32::MAX), Err(WindowError));
    }
}
