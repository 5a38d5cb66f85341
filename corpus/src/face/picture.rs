//! Decoded pixels.

/// A picture: RGB, 8 bits a channel, row by row from the top left, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    pub width: u32,
    pub height: u32,
    /// `width * height * 3` bytes.
    pub data: Vec<u8>,
}

impl Rgb {
    /// All black.
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            data: vec![0; width as usize * height as usize * 3],
        }
    }

    /// Red, green and blue at `x` from the left and `y` from the top. Panics outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = self.at(x, y);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    pub fn set(&mut self, x: u32, y: u32, pixel: [u8; 3]) {
        let at = self.at(x, y);
        self.data[at..at + 3].copy_from_slice(&pixel);
    }

    fn at(&self, x: u32, y: u32) -> usize {
        assert!(x < self.width && y < self.height);
        (y as usize * self.width as usize + x as usize) * 3
    }
}
