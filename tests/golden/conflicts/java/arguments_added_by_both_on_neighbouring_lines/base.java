class Choir {
    void sing(Song song) {
        lead(song);
        follow(song);
    }
}
