class TillTest {

    @Test
    void opens() {
        till.open();
    }

    @Test
    void rings() {
        till.ring(3);
    }
}
