class Boat {
    void Sail(Wind wind)
    {
            Hoist(mainsail);
            Steer(wind.Side);
    }
}
