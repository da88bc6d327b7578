class Choir {
    void sing(Song song) {
        lead(song, key);
        follow(song);
    }
}
